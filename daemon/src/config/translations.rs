//! Which translations of other vendors' flags go to clients that evaluate themselves.

use engine::Fidelity;

use super::ConfigError;
use super::given::Places;

/// Which translations of other vendors' flags sync clients get. What is left out they do not have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Translations {
    /// Those that give every context the vendor's answer.
    #[default]
    Exact,
    /// Those that give some contexts another answer, too.
    Approximate,
    /// All, even what cannot be translated.
    All,
}

impl Translations {
    pub(super) fn read(places: &Places<'_>) -> Result<Self, ConfigError> {
        let choices = [("exact", Self::Exact), ("approximate", Self::Approximate), ("all", Self::All)];
        places.get("translations").choice(&choices)
    }

    /// Whether a translation of this fidelity is one of them.
    pub fn allow(self, fidelity: &Fidelity) -> bool {
        match fidelity {
            Fidelity::Exact => true,
            Fidelity::Approximate(_) => self >= Self::Approximate,
            Fidelity::Unsupported(_) => self == Self::All,
        }
    }
}
