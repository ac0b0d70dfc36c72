//! What came of an import, flag by flag.

use std::io::{self, Write};

use engine::{Fidelity, Problem};
use serde_json::{Value, json};

use super::Imported;

/// Writes it for a person: what is not exact, and the sums.
pub(super) fn text(
    imported: &[Imported],
    problems: &[Problem],
    users: u32,
    out: &mut dyn Write,
) -> io::Result<()> {
    for problem in problems {
        writeln!(out, "problem: {}", plain(&problem.to_string()))?;
    }
    for one in imported {
        let Some(translation) = one.flag.translation() else { continue };
        let left_out = if one.included { "" } else { ", left out" };
        let word = translation.fidelity.as_str();
        let moved = one.moved * 100.0;
        writeln!(out, "{}: {word}, moves {moved:.2} % of {users} users{left_out}", plain(one.flag.key()))?;
        for reason in translation.fidelity.reasons() {
            writeln!(out, "    {}", plain(reason))?;
        }
    }
    let [exact, approximate, unsupported] = sums(imported);
    let included = imported.iter().filter(|one| one.included).count();
    writeln!(
        out,
        "{included} of {} flags imported: {exact} exact, {approximate} approximate, {unsupported} unsupported",
        imported.len()
    )
}

/// Writes it as one JSON object.
pub(super) fn json(
    imported: &[Imported],
    problems: &[Problem],
    users: u32,
    out: &mut dyn Write,
) -> io::Result<()> {
    let flags: Vec<Value> = imported
        .iter()
        .filter_map(|one| {
            let fidelity = &one.flag.translation()?.fidelity;
            Some(json!({
                "key": one.flag.key(), "flagSetId": one.flag.flag_set(), "translation": fidelity.as_str(),
                "reasons": fidelity.reasons(), "moved": one.moved, "included": one.included,
            }))
        })
        .collect();
    let [exact, approximate, unsupported] = sums(imported);
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let report = json!({
        "users": users, "exact": exact, "approximate": approximate, "unsupported": unsupported,
        "flags": flags, "problems": problems,
    });
    writeln!(out, "{report:#}")
}

fn sums(imported: &[Imported]) -> [usize; 3] {
    let of = |is: fn(&Fidelity) -> bool| {
        let fidelities = imported.iter().filter_map(|one| one.flag.translation());
        fidelities.filter(|translation| is(&translation.fidelity)).count()
    };
    [
        of(|fidelity| matches!(fidelity, Fidelity::Exact)),
        of(|fidelity| matches!(fidelity, Fidelity::Approximate(_))),
        of(|fidelity| matches!(fidelity, Fidelity::Unsupported(_))),
    ]
}

/// Text from elsewhere as a terminal may see it.
fn plain(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect()
}
