//! Which scenarios a client takes.

use super::gherkin::Case;
use crate::world::Ports;

/// A stock client as the suite sees it.
#[derive(Debug, Clone, Copy)]
pub struct Client {
    /// What reports call it, such as `python rpc`.
    pub name: &'static str,
    /// What the driver is asked to open, such as `in-process`.
    pub kind: &'static str,
    /// Which of the daemon's ports it speaks to.
    pub port: fn(Ports) -> u16,
    /// It takes scenarios with any of these tags ...
    pub tags: &'static [&'static str],
    /// ... and none of these: what the testbed marks as something that not every client has.
    pub without: &'static [&'static str],
    /// The bucketing of the evaluator that answers it: the daemon's, or its own when it evaluates in process.
    pub fractional: &'static str,
    /// What it is known to do wrong, or cannot do, whatever a daemon answers.
    pub defects: &'static [Defect],
}

/// Scenarios that a client cannot pass because of itself.
#[derive(Debug, Clone, Copy)]
pub struct Defect {
    /// Parts of the case as reports show it, `feature: scenario [example cells]`; all must occur.
    pub case: &'static [&'static str],
    /// What is wrong, for the report.
    pub why: &'static str,
}

impl Client {
    /// Whether the case is meant for clients of this sort.
    #[must_use]
    pub fn takes(&self, case: &Case) -> bool {
        let bucketing = ["fractional-v1", "fractional-v2", "fractional-v3"];
        let any_bucketing = !case.has_any(&bucketing) || case.has_any(&[self.fractional]);
        case.has_any(self.tags) && !case.has_any(self.without) && any_bucketing
    }

    /// The known defect that the case runs into.
    #[must_use]
    pub fn defect(&self, case: &Case) -> Option<&Defect> {
        self.defects.iter().find(|defect| defect.is_in(case))
    }

    /// The first defect that none of the cases runs into any more: the table must not outlive what it is about.
    pub(super) fn idle_defect(&self, cases: &[Case]) -> Option<&Defect> {
        let taken: Vec<_> = cases.iter().filter(|case| self.takes(case)).collect();
        self.defects.iter().find(|defect| !taken.iter().any(|case| defect.is_in(case)))
    }
}

impl Defect {
    fn is_in(&self, case: &Case) -> bool {
        let shown = case.to_string();
        self.case.iter().all(|part| shown.contains(part))
    }
}
