//! `hoistd demo`: the whole daemon on sample flags that are built in, and what to try.

use std::io::Write;

use serde_json::Map;
use store::{Format, Memory, Origin, Source};

use super::start::{self, StartError};
use crate::args::{DemoArgs, Environment};
use crate::config::Config;
use crate::sources;

/// A flag of every type, targeting, shares, a shared rule, and one that is switched off.
const FLAGS: &str = include_str!("demo.flagd.json");

/// The name of the source, for selectors.
const SOURCE: &str = "demo";

/// Serves the sample flags, and sources named as for `start` over them, until a signal ends it.
///
/// # Errors
/// As [`start::run`].
pub fn run(args: &DemoArgs, environment: &Environment, out: &mut dyn Write) -> Result<(), StartError> {
    let config = Config::read_without_source(&args.start, environment)?;
    let (flags, _) = Memory::new(FLAGS, Format::Json);
    let demo: (Origin, Box<dyn Source>) = (Origin::new("memory", SOURCE, Map::new()), Box::new(flags));
    let mut all = vec![demo];
    all.extend(sources::build(&config.origins)?);
    out.write_all(what_to_try(&config).as_bytes())?;
    out.flush()?;
    start::run_with(config, all)
}

/// Commands for another terminal, with the ports as configured.
fn what_to_try(config: &Config) -> String {
    let listen = &config.listen;
    let scheme = |tls: bool| if tls { "-k https" } else { "http" };
    let (tls, ofrep_tls) = (scheme(listen.tls.is_some()), scheme(listen.tls.is_some() && listen.ofrep_tls));
    let evaluation = match &listen.socket_path {
        Some(path) => format!("--unix-socket '{}' {tls}://localhost", path.display()),
        None => format!("{tls}://localhost:{}", listen.port),
    };
    let ofrep = format!("{ofrep_tls}://localhost:{}", listen.ofrep_port);
    let management = format!("http://localhost:{}", listen.management_port);
    format!(
        r#"hoistd serves its sample flags. In another terminal:

  # OFREP: staff get the new checkout, of everybody else every fifth
  curl -s -X POST {ofrep}/ofrep/v1/evaluate/flags/new-checkout -d '{{"context":{{"targetingKey":"user-1","email":"ada@example.com"}}}}'
  curl -s -X POST {ofrep}/ofrep/v1/evaluate/flags -d '{{"context":{{"targetingKey":"user-1","country":"DE"}}}}'

  # Connect: a boolean, a string, a number, an object
  curl -s -X POST {evaluation}/flagd.evaluation.v1.Service/ResolveBoolean -H 'Content-Type: application/json' -d '{{"flagKey":"new-checkout","context":{{"email":"ada@example.com"}}}}'
  curl -s -X POST {evaluation}/flagd.evaluation.v1.Service/ResolveString -H 'Content-Type: application/json' -d '{{"flagKey":"header-color","context":{{"email":"ada@example.com"}}}}'
  curl -s -X POST {evaluation}/flagd.evaluation.v1.Service/ResolveInt -H 'Content-Type: application/json' -d '{{"flagKey":"page-size","context":{{"appVersion":"2.3.0"}}}}'
  curl -s -X POST {evaluation}/flagd.evaluation.v1.Service/ResolveObject -H 'Content-Type: application/json' -d '{{"flagKey":"search-engine","context":{{"email":"ada@example.com"}}}}'

  # Is it ready, and what does it count?
  curl -s -H 'Accept: application/json' {management}/readyz
  curl -s {management}/metrics

Ctrl-C ends it.

"#
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use engine::{Definition, Options, compile};

    use super::*;

    #[test]
    fn the_sample_flags_are_flawless() {
        let definition = Definition::parse(FLAGS).expect("a definition");
        let compiled = compile(&definition, &Arc::from(SOURCE), &Options::default(), None);
        assert_eq!(compiled.problems, []);
        assert_eq!(compiled.layer.flags().len(), 7);
        let tree = serde_json::from_str(FLAGS).expect("JSON");
        assert_eq!(schemas::validate_flags(&tree), []);
    }
}
