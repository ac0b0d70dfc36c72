//! Made-up users, asked of a flag's own rules and of its translation.

use std::sync::Arc;

use engine::{Bump, Context, Definition, Flag, Options, Question, Selector, Snapshot, Type, Value, compile};

use crate::ask;

/// The translations of some flags, compiled as a client would.
pub(crate) struct Translated(Snapshot);

/// The most values of one attribute that users are made of.
const MOST_VALUES: usize = 20;

impl Translated {
    pub(crate) fn of(flags: &[Arc<Flag>]) -> Self {
        let mut text = String::from("{\"flags\":{");
        for (at, flag) in flags.iter().enumerate() {
            if at > 0 {
                text.push(',');
            }
            engine::write_json(&flag.key().into(), &mut text);
            text.push(':');
            text.push_str(flag.definition());
        }
        text.push_str("}}");
        let layer = match Definition::parse(&text) {
            Ok(definition) => compile(&definition, &Arc::from(""), &Options::default(), None).layer,
            // Definitions are written by us; if one cannot be read, every user counts as moved.
            Err(_) => engine::Layer::default(),
        };
        Self(Snapshot::fold([&layer], 1))
    }

    /// The share of `users` made-up users to whom the translation gives another value than the flag's own rules.
    pub(crate) fn moved(&self, flag: &Flag, users: u32) -> f64 {
        let Some(translated) = self.0.find(&Selector::Any, flag.key()) else { return 1.0 };
        let attributes = attributes(flag);
        let (now, mut dice) = (ask::now(), Dice(0x9e37_79b9_7f4a_7c15));
        let (mut bump, mut moved) = (Bump::new(), 0_u32);
        for user in 0..users {
            bump.reset();
            let key = format!("user-{user}");
            let mut drawn = vec![("targetingKey", Value::Str(&key))];
            for (name, values) in &attributes {
                // Some have none of the values that the rules look for, and some do not have the attribute.
                match dice.below(values.len() as u64 + 2) as usize {
                    at if at < values.len() => drawn.push((name, Value::from_json(values[at], &bump))),
                    at if at == values.len() => drawn.push((name, Value::Str("something else"))),
                    _ => {}
                }
            }
            let context = Context::new(&drawn);
            let question = Question { want: Type::Any, context: &context, now, bump: &bump, bulk: true };
            if answer(flag, &question) != answer(translated, &question) {
                moved += 1;
            }
        }
        f64::from(moved) / f64::from(users.max(1))
    }
}

/// The attributes that the flag's rules look at, each with the values that they look for.
fn attributes(flag: &Flag) -> Vec<(&str, Vec<&serde_json::Value>)> {
    let mut found: Vec<(&str, Vec<&serde_json::Value>)> = Vec::new();
    for (name, value) in flag.translation().into_iter().flat_map(|translation| &translation.mentions) {
        match found.iter_mut().find(|(known, _)| known == name) {
            Some((_, values)) if values.len() < MOST_VALUES && !values.contains(&value) => values.push(value),
            Some(_) => {}
            None => found.push((name, vec![value])),
        }
    }
    found
}

/// The value as JSON; `None` if the caller's own stands, which an error comes to as well.
fn answer<'a>(flag: &'a Flag, question: &Question<'a>) -> Option<&'a str> {
    flag.answer(question, &mut ())
        .ok()
        .and_then(|resolution| resolution.variant)
        .map(|variant| variant.json())
}

/// Numbers that look random and are the same each time (xorshift64*).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dice_reach_every_side_and_repeat() {
        let roll = || {
            let mut dice = Dice(7);
            (0..600).map(|_| dice.below(6)).collect::<Vec<_>>()
        };
        for side in 0..6 {
            assert!(roll().iter().filter(|rolled| **rolled == side).count() > 50, "{side}");
        }
        assert_eq!(roll(), roll());
    }
}
