//! Witnesses: who watches a rule run. Nobody, or an explanation in the making.

use crate::value::Value;

/// Sees a rule run, operator by operator. `()` sees nothing and costs nothing.
pub trait Witness {
    /// Whether anything is done with what is seen; if not, nothing is prepared for showing.
    const WATCHES: bool = true;

    /// A node begins. `operator` is its JsonLogic name, or `literal`; `at` is its place among the arguments of the node
    /// that is running, `None` if it is the only one and not written in an array.
    #[inline]
    fn enter(&mut self, at: Option<usize>, operator: &'static str) {
        let _ = (at, operator);
    }

    /// The node that began last and has not ended is done. `None` means it failed.
    #[inline]
    fn leave(&mut self, outcome: Option<Value<'_>>) {
        let _ = outcome;
    }

    /// The `fractional` that is running took this bucket.
    #[inline]
    fn bucket(&mut self, bucket: Bucket<'_>) {
        let _ = bucket;
    }
}

impl Witness for () {
    const WATCHES: bool = false;
}

/// How a `fractional` decided (contract 7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket<'a> {
    /// What was hashed: the text of v2, or the hexadecimal CBOR of v3.
    pub key: &'a str,
    /// The murmur3 hash.
    pub hash: u32,
    /// The bucket, `0..total`.
    pub bucket: u64,
    /// The sum of the weights.
    pub total: u64,
}

/// One node of a finished run.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The place among the parent's arguments; `None` if it is the only one and not written in an array.
    pub at: Option<usize>,
    /// The operator's JsonLogic name, or `literal`.
    pub operator: &'static str,
    /// What came out; `None` if it failed.
    pub outcome: Option<serde_json::Value>,
    /// The bucket of a `fractional`: key, hash, bucket, total.
    pub bucket: Option<(String, u32, u64, u64)>,
    /// The arguments that were evaluated, in order. A list operator's body comes once per element.
    pub steps: Vec<Step>,
}

/// Remembers a run as a tree, up to a bounded number of nodes.
#[derive(Debug, Default)]
pub struct Steps {
    open: Vec<Step>,
    done: Vec<Step>,
    /// Nodes seen so far.
    seen: usize,
    /// Nodes running that came after the last one remembered.
    skipping: usize,
}

/// How many nodes are remembered.
const MOST: usize = 10_000;

impl Steps {
    /// The finished top-level steps, in order.
    pub fn finish(self) -> Vec<Step> {
        self.done
    }
}

impl Witness for Steps {
    fn enter(&mut self, at: Option<usize>, operator: &'static str) {
        if self.seen == MOST {
            self.skipping += 1;
            return;
        }
        self.seen += 1;
        self.open.push(Step { at, operator, outcome: None, bucket: None, steps: Vec::new() });
    }

    fn leave(&mut self, outcome: Option<Value<'_>>) {
        if self.skipping > 0 {
            self.skipping -= 1;
            return;
        }
        let Some(mut step) = self.open.pop() else { return };
        step.outcome = outcome.map(Value::to_json);
        match self.open.last_mut() {
            Some(parent) => parent.steps.push(step),
            None => self.done.push(step),
        }
    }

    fn bucket(&mut self, bucket: Bucket<'_>) {
        if self.skipping == 0
            && let Some(step) = self.open.last_mut()
        {
            step.bucket = Some((bucket.key.to_owned(), bucket.hash, bucket.bucket, bucket.total));
        }
    }
}
