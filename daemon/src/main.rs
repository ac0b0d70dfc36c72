//! The life of the process: read the command line, run the command, answer with an exit code.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use hoistd::args::{self, Command, CommandLine, DiffArgs, Environment};
use hoistd::cli;

fn main() -> ExitCode {
    let line = match CommandLine::from_process() {
        Ok(line) => line,
        Err(error) => {
            // Nobody is left to tell when the terminal itself is gone.
            let _ = error.print();
            return ExitCode::from(args::exit_code(&error));
        }
    };
    match run(line) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr(), "Error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(line: CommandLine) -> Result<ExitCode, Box<dyn Error>> {
    let environment = Environment::from_process();
    let out = &mut io::stdout();
    match line.command {
        None => args::command().print_help()?,
        Some(Command::Start(args)) => cli::start::run(&args, &environment)?,
        Some(Command::Demo(args)) => cli::demo::run(&args, &environment, out)?,
        Some(Command::Version) => cli::version::run(out)?,
        Some(Command::Completion(args)) => cli::completion::run(&args, out)?,
        Some(Command::Healthcheck(args)) => cli::healthcheck::run(&args, &environment)?,
        Some(Command::Proxy(args)) => cli::proxy::run(&args, &environment)?,
        Some(Command::Import(args)) => {
            cli::import::run(&args, &environment, &mut io::stdin(), out, &mut io::stderr())?;
        }
        Some(Command::Doctor(args)) => {
            return Ok(verdict(cli::doctor::run(&args, &environment, out)?));
        }
        Some(Command::Status(args)) => return Ok(verdict(cli::operate::status(&args, &environment, out)?)),
        Some(Command::Confirm(args)) => cli::operate::confirm(&args, &environment, out)?,
        Some(Command::Rollback(args)) => {
            return Ok(verdict(cli::operate::rollback(&args, &environment, out)?));
        }
        Some(Command::Override(args)) => cli::operate::override_flag(&args, &environment, out)?,
        Some(Command::Diff(args)) => return Ok(difference(&args, &environment)),
        Some(Command::Eval(args)) => {
            return Ok(verdict(cli::eval::run(&args, &mut io::stdin(), out, &mut io::stderr())?));
        }
        Some(Command::Explain(args)) => {
            return Ok(verdict(cli::explain::run(&args, &mut io::stdin(), out)?));
        }
        Some(Command::Validate(args)) => {
            return Ok(verdict(cli::validate::run(&args, &mut io::stdin(), out)?));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `diff` with its exit code: 0 the same, 1 different, 2 trouble.
fn difference(args: &DiffArgs, environment: &Environment) -> ExitCode {
    match cli::diff::run(args, environment, &mut io::stdin(), &mut io::stdout()) {
        Ok(same) => verdict(same),
        Err(error) => {
            let _ = writeln!(io::stderr(), "Error: {error}");
            ExitCode::from(2)
        }
    }
}

/// The exit code of a command whose answer may be no.
fn verdict(good: bool) -> ExitCode {
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
