//! Replies that are written once for a flag, a variant and a reason, and then given again.
//!
//! They are kept with the flag that they are about. What else an answer may say, its own metadata or a selector's, is written
//! anew each time.

use std::any::TypeId;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use engine::{Reason, Resolution};

use crate::ask::Outcome;
use crate::shelf::{Chain, Shelf};

/// A longer reply, in bytes, is written anew: it is mostly the value, which the flag holds already.
const LONGEST: usize = 4 << 10;
/// How many replies a flag keeps, all forms together.
const MOST: usize = 32;

/// An encoded reply.
#[derive(Debug)]
pub struct Reply {
    /// In the form in which it was asked for.
    pub(super) bytes: Bytes,
    /// The same in JSON, where that is another form.
    json: OnceLock<Bytes>,
}

impl Reply {
    /// The reply in JSON, made by `write` the first time.
    ///
    /// # Errors
    /// That of `write`.
    pub(super) fn json<E>(&self, write: impl FnOnce(&Bytes) -> Result<Bytes, E>) -> Result<Bytes, E> {
        match self.json.get() {
            Some(json) => Ok(json.clone()),
            None => write(&self.bytes).map(|json| self.json.get_or_init(|| json).clone()),
        }
    }
}

/// Where the reply to a question is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'f> {
    replies: &'f Chain<About, Arc<Reply>>,
    about: About,
}

/// What decides a reply of a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct About {
    form: TypeId,
    variant: Option<usize>,
    reason: Reason,
}

/// The place of the reply that says `outcome` in the form that `Form` stands for; `None` if it says more than the flag, the
/// variant and the reason. `reflected` is the name that the selector adds to metadata which do not have it.
pub(super) fn place<'f, Form: 'static>(outcome: &Outcome<'f>, reflected: Option<&str>) -> Option<Place<'f>> {
    let Outcome { flag: Some(flag), result: Ok(Resolution { variant, reason, metadata: None }), .. } =
        *outcome
    else {
        return None;
    };
    let known = |name: &str| flag.metadata().entries().iter().any(|(own, _)| **own == *name);
    if !reflected.is_none_or(known) {
        return None;
    }
    let (shelf, variant) = Shelf::of(flag, variant)?;
    Some(Place { replies: &shelf.replies, about: About { form: TypeId::of::<Form>(), variant, reason } })
}

impl<'f> Place<'f> {
    /// The reply, if it was written before.
    pub(super) fn reply(self) -> Option<&'f Arc<Reply>> {
        self.replies.find(&self.about)
    }

    /// Keeps the reply for the next time.
    pub(super) fn keep(self, bytes: &[u8]) {
        if bytes.len() > LONGEST {
            return;
        }
        let reply = Reply { bytes: Bytes::copy_from_slice(bytes), json: OnceLock::new() };
        self.replies.keep(self.about, Arc::new(reply), MOST);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use engine::{Bump, Context, Definition, Flag, Options, Question, Type, compile};
    use serde_json::json;

    use super::*;
    use crate::ask::answer;

    struct A;
    struct B;

    fn flag(variants: usize) -> Arc<Flag> {
        let named = |at: usize| (format!("v{at}"), json!(at));
        let document = json!({"flags": {"f": {
            "state": "ENABLED", "defaultVariant": "v0", "targeting": {"var": "which"}, "metadata": {"team": "shop"},
            "variants": (0..variants).map(named).collect::<serde_json::Map<_, _>>(),
        }}})
        .to_string();
        let definition = Definition::parse(&document).expect("a document");
        let compiled = compile(&definition, &Arc::from("test"), &Options::default(), None);
        Arc::clone(&compiled.layer.flags()[0])
    }

    /// What is asked for, told from the reply that was kept or else kept under it.
    fn told<Form: 'static>(flag: &Flag, which: Option<&str>, reflected: Option<&str>) -> Option<String> {
        let attributes = which.map(|which| ("which", engine::Value::Str(which)));
        let (context, bump) = (Context::new(attributes.as_slice()), Bump::new());
        let question = Question { want: Type::Any, context: &context, now: 0, bump: &bump, bulk: false };
        let outcome = answer("f", Some(flag), &question, &mut ());
        let place = place::<Form>(&outcome, reflected)?;
        if let Some(reply) = place.reply() {
            return Some(String::from_utf8_lossy(&reply.bytes).into_owned());
        }
        place.keep(format!("{}{which:?}", std::any::type_name::<Form>()).as_bytes());
        None
    }

    #[test]
    fn a_reply_comes_again_for_the_same_form_variant_and_reason_alone() {
        let flag = flag(3);
        let questions = [Some("v0"), Some("v1"), None, Some("nothing")];
        for which in questions {
            assert_eq!(told::<A>(&flag, which, None), None, "{which:?} is new");
        }
        for which in questions {
            assert_eq!(told::<B>(&flag, which, None), None, "{which:?} is new in another form");
        }
        for which in &questions[..3] {
            let again = told::<A>(&flag, *which, None).expect("kept");
            assert!(again.ends_with(&format!("A{which:?}")), "{which:?} is told {again}");
        }
        assert_eq!(told::<A>(&flag, Some("nothing"), None), None, "an error is not kept");
    }

    #[test]
    fn what_a_selector_adds_is_not_kept() {
        let flag = flag(2);
        for _ in 0..2 {
            assert_eq!(told::<A>(&flag, Some("v1"), Some("flagSetId")), None);
        }
        assert_eq!(told::<A>(&flag, Some("v1"), Some("team")), None, "the flag's own word stands");
        assert!(told::<A>(&flag, Some("v1"), Some("team")).is_some());
        assert!(told::<A>(&flag, Some("v1"), None).is_some());
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let flag = flag(MOST + 8);
        let kept = (0..2).map(|_| {
            (0..MOST + 8).filter(|at| told::<A>(&flag, Some(&format!("v{at}")), None).is_some()).count()
        });
        assert_eq!(kept.collect::<Vec<_>>(), [0, MOST]);
        let flag = self::flag(1);
        let long = "v".repeat(LONGEST);
        for _ in 0..2 {
            let replies = &Shelf::of(&flag, None).expect("the shelf is empty").0.replies;
            let about = About { form: TypeId::of::<A>(), variant: None, reason: Reason::Static };
            Place { replies, about }.keep(format!("{long}!").as_bytes());
            assert!(replies.find(&about).is_none());
        }
    }
}
