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

/// A witness without its type, for rules that are called through a pointer. Of nobody, the default, it costs one look.
#[derive(Default)]
pub struct Watch<'w>(Option<&'w mut dyn Eyes>);

impl<'w> Watch<'w> {
    /// Lets `witness` see.
    #[inline]
    pub fn of<W: Witness>(witness: &'w mut W) -> Self {
        Self(W::WATCHES.then_some(witness as &mut dyn Eyes))
    }

    /// Whether anybody looks; if not, nothing needs to be prepared for showing.
    #[inline]
    pub fn watches(&self) -> bool {
        self.0.is_some()
    }

    /// As [`Witness::enter`]; the name is the vendor's word, such as `segment`.
    #[inline]
    pub fn enter(&mut self, at: Option<usize>, operator: &'static str) {
        if let Some(eyes) = &mut self.0 {
            eyes.enter(at, operator);
        }
    }

    /// As [`Witness::leave`].
    #[inline]
    pub fn leave(&mut self, outcome: Option<Value<'_>>) {
        if let Some(eyes) = &mut self.0 {
            eyes.leave(outcome);
        }
    }

    /// As [`Witness::bucket`], for whatever kind of hash the vendor takes.
    #[inline]
    pub fn bucket(&mut self, bucket: Bucket<'_>) {
        if let Some(eyes) = &mut self.0 {
            eyes.bucket(bucket);
        }
    }

    /// A step without steps in it.
    #[inline]
    pub fn tell(&mut self, operator: &'static str, outcome: Value<'_>) {
        self.enter(None, operator);
        self.leave(Some(outcome));
    }
}

/// [`Witness`] as a pointer can have it.
trait Eyes {
    fn enter(&mut self, at: Option<usize>, operator: &'static str);
    fn leave(&mut self, outcome: Option<Value<'_>>);
    fn bucket(&mut self, bucket: Bucket<'_>);
}

impl<W: Witness> Eyes for W {
    fn enter(&mut self, at: Option<usize>, operator: &'static str) {
        Witness::enter(self, at, operator);
    }

    fn leave(&mut self, outcome: Option<Value<'_>>) {
        Witness::leave(self, outcome);
    }

    fn bucket(&mut self, bucket: Bucket<'_>) {
        Witness::bucket(self, bucket);
    }
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
