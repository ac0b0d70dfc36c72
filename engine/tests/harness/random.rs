//! Random rules and contexts, the same for the same seed.

use serde_json::{Map, Value, json};

/// A small generator (splitmix64): good enough to roam, and the same everywhere.
pub(crate) struct Random(u64);

/// Where a rule stands: what its variables are likely to find.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Root,
    Element,
    Fold,
}

/// What an expression is meant to give.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Number,
    Text,
    Truth,
    List,
}

const OPERATORS: [&str; 44] = [
    "var",
    "var",
    "if",
    "if",
    "?:",
    "and",
    "or",
    "!",
    "!!",
    "==",
    "!=",
    "===",
    "!==",
    "<",
    "<=",
    ">",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "%",
    "abs",
    "max",
    "min",
    "cat",
    "substr",
    "in",
    "in",
    "merge",
    "missing",
    "missing_some",
    "map",
    "filter",
    "all",
    "none",
    "some",
    "reduce",
    "sem_ver",
    "starts_with",
    "ends_with",
    "fractional",
    "set",
    "contains_any",
];

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// True once in `n` times.
    fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    pub(crate) fn rule(&mut self, depth: usize) -> Value {
        self.expression(depth, Place::Root)
    }

    fn expression(&mut self, depth: usize, place: Place) -> Value {
        if depth == 0 || self.once_in(5) {
            return if self.once_in(2) { self.var(place) } else { self.literal(1) };
        }
        if self.once_in(25) {
            return Value::Array((0..self.below(4)).map(|_| self.expression(depth - 1, place)).collect());
        }
        let operator = *self.pick(&OPERATORS);
        let args =
            if self.once_in(12) { self.odd(depth - 1, place) } else { self.args(operator, depth - 1, place) };
        json!({ operator: args })
    }

    /// A rule in the part of JsonLogic that everybody agrees on, for contexts of [`Self::people`].
    pub(crate) fn common(&mut self, depth: usize) -> Value {
        if depth == 0 {
            return json!(*self.pick(&["on", "off", "red", "green", "blue"]));
        }
        match self.below(4) {
            0 | 1 => json!({"if": [self.test(depth), self.common(depth - 1), self.common(depth - 1)]}),
            2 => {
                let key = json!({"cat": [{"var": "$flagd.flagKey"}, {"var": "email"}]});
                let shares = [("on", self.below(50) + 1), ("off", self.below(50)), ("red", self.below(9))];
                json!({"fractional": [key, [shares[0].0, shares[0].1], [shares[1].0, shares[1].1], [shares[2].0, shares[2].1]]})
            }
            _ => json!({"cat": [{"var": "country"}, "-", {"substr": [{"var": "email"}, self.below(3), 3]}]}),
        }
    }

    fn test(&mut self, depth: usize) -> Value {
        match self.below(if depth > 0 { 10 } else { 7 }) {
            0 => json!({"==": [{"var": "country"}, *self.pick(&["DE", "FR"])]}),
            1 => json!({*self.pick(&["<", "<=", ">", ">=", "!="]): [{"var": "age"}, self.below(80)]}),
            2 => json!({"in": [{"var": "country"}, ["DE", "AT", "CH"]]}),
            3 => {
                json!({*self.pick(&["starts_with", "ends_with"]): [{"var": "email"}, *self.pick(&["a", "@x.com", ""])]})
            }
            4 => {
                let relation = *self.pick(&["=", "!=", "<", "<=", ">", ">="]);
                json!({"sem_ver": [{"var": "version"}, relation, *self.pick(&["1.2.3", "2.0.0-rc.1", "0.1.0"])]})
            }
            5 => json!({"<": [{"+": [{"var": "age"}, self.below(9)]}, {"*": [{"var": "age"}, 1.5]}, 100]}),
            6 => {
                json!({*self.pick(&["some", "none", "all"]): [{"var": "scores"}, {">": [{"var": ""}, self.below(9)]}]})
            }
            7 => json!({"!": [self.test(depth - 1)]}),
            8 => json!({"and": [self.test(depth - 1), self.test(depth - 1)]}),
            _ => json!({"or": [self.test(depth - 1), self.test(depth - 1)]}),
        }
    }

    /// A context in which every attribute is there and has its kind.
    pub(crate) fn people(&mut self) -> Value {
        json!({
            "targetingKey": format!("user-{}", self.below(1000)),
            "email": format!("{}{}", self.pick(&["ann", "bob", "zoe"]), self.pick(&["@x.com", "@y.org"])),
            "country": *self.pick(&["DE", "FR", "US"]),
            "age": self.below(90),
            "version": *self.pick(&["1.2.3", "1.10.0", "2.0.0-rc.1", "0.0.1"]),
            "scores": [self.below(9), self.below(9)],
        })
    }

    /// A rule whose operands mostly have the kind that their operator wants, so that most of it is reached.
    pub(crate) fn sensible(&mut self, depth: usize) -> Value {
        let kind = *self.pick(&[Kind::Number, Kind::Text, Kind::Truth, Kind::List]);
        self.of_kind(kind, depth, Place::Root)
    }

    fn of_kind(&mut self, kind: Kind, depth: usize, place: Place) -> Value {
        if self.once_in(25) {
            return self.expression(depth, place);
        }
        if self.once_in(6) && depth > 0 {
            let d = depth - 1;
            let condition = self.of_kind(Kind::Truth, d, place);
            let (then, otherwise) = (self.of_kind(kind, d, place), self.of_kind(kind, d, place));
            return match self.below(3) {
                0 => json!({"and": [condition, then]}),
                1 => json!({"or": [then, otherwise]}),
                _ => json!({"if": [condition, then, otherwise]}),
            };
        }
        match kind {
            _ if depth == 0 || self.once_in(5) => self.leaf(kind, place),
            Kind::Number => self.number(depth - 1, place),
            Kind::Text => self.text(depth - 1, place),
            Kind::Truth => self.truth(depth - 1, place),
            Kind::List => self.list(depth - 1, place),
        }
    }

    fn leaf(&mut self, kind: Kind, place: Place) -> Value {
        if place != Place::Root && self.once_in(2) {
            return json!({"var": self.path(place)});
        }
        let names: &[&str] = match kind {
            Kind::Number => &["n", "zero", "list.1", "deep.l.0", "deep.k.a", "objs.1.n"],
            Kind::Text => {
                &["s", "email", "role", "version", "targetingKey", "empty", "words.2", "$flagd.flagKey"]
            }
            Kind::Truth => &["yes", "no", "bl.0", "a", "b", "obj", "nul", "missing"],
            Kind::List => &["list", "list2", "words", "bl", "tags", "objs", "deep.l"],
        };
        match (kind, self.below(4)) {
            (Kind::Number, 0) => json!(self.below(20) as f64 / 4.0 - 1.0),
            (Kind::Number, 1) => json!(*self.pick(&["1", "2.5", "-3", "1e2", "x", ""])),
            (Kind::Text, 0) => json!(*self.pick(&["a", " b", "abc", "é ", "1", "admin"])),
            (Kind::List, 0) => (0..self.below(4)).map(|_| self.literal(1)).collect(),
            (Kind::Number, _) => json!({"var": [*self.pick(names), self.below(5)]}),
            (Kind::Text, _) => json!({"var": [*self.pick(names), "dflt"]}),
            _ => json!({"var": *self.pick(names)}),
        }
    }

    fn number(&mut self, d: usize, place: Place) -> Value {
        match self.below(10) {
            0 => json!({"abs": [self.of_kind(Kind::Number, d, place)]}),
            1 => json!({"-": [self.of_kind(Kind::Number, d, place)]}),
            2 => {
                let subject = self.of_kind(Kind::List, d, place);
                let body = self.of_kind(Kind::Number, d, Place::Fold);
                json!({"reduce": [subject, body, self.of_kind(Kind::Number, 0, place)]})
            }
            _ => {
                let operator = *self.pick(&["+", "-", "*", "/", "%", "max", "min"]);
                let n = 2 + self.below(2);
                let args: Value = (0..n).map(|_| self.of_kind(Kind::Number, d, place)).collect();
                json!({ operator: args })
            }
        }
    }

    fn text(&mut self, d: usize, place: Place) -> Value {
        match self.below(5) {
            0 | 1 => {
                let args: Value = (0..1 + self.below(3))
                    .map(|_| {
                        let kind = if self.once_in(3) { Kind::Number } else { Kind::Text };
                        self.of_kind(kind, d, place)
                    })
                    .collect();
                json!({ "cat": args })
            }
            2 | 3 => {
                let mut args = vec![self.of_kind(Kind::Text, d, place), self.small()];
                if self.once_in(2) {
                    args.push(self.small());
                }
                json!({ "substr": args })
            }
            _ => json!({"fractional": self.shares(0, place)}),
        }
    }

    fn truth(&mut self, d: usize, place: Place) -> Value {
        let kind = *self.pick(&[Kind::Number, Kind::Text, Kind::Number, Kind::Text, Kind::Truth]);
        let (a, b) = (self.of_kind(kind, d, place), self.of_kind(kind, d, place));
        match self.below(10) {
            0 => json!({"!": [a]}),
            1 => json!({"!!": a}),
            2 => json!({"in": [self.of_kind(Kind::Text, d, place), self.of_kind(Kind::Text, d, place)]}),
            3 => json!({"in": [a, self.of_kind(Kind::List, d, place)]}),
            4 | 5 => {
                let operator = *self.pick(&["all", "none", "some"]);
                let body = self.of_kind(Kind::Truth, d, Place::Element);
                json!({ operator: [self.of_kind(Kind::List, d, place), body] })
            }
            6 => json!({*self.pick(&["starts_with", "ends_with"]): [a, b]}),
            7 => json!({"sem_ver": self.args("sem_ver", d, place)}),
            _ => json!({*self.pick(&["==", "!=", "===", "!==", "<", "<=", ">", ">="]): [a, b]}),
        }
    }

    fn list(&mut self, d: usize, place: Place) -> Value {
        let subject = self.of_kind(Kind::List, d, place);
        match self.below(6) {
            0 | 1 => json!({"filter": [subject, self.of_kind(Kind::Truth, d, Place::Element)]}),
            2 | 3 => {
                let kind = *self.pick(&[Kind::Number, Kind::Text, Kind::Truth, Kind::List]);
                json!({"map": [subject, self.of_kind(kind, d, Place::Element)]})
            }
            4 => json!({"merge": [subject, self.of_kind(Kind::List, d, place)]}),
            _ => json!({"missing": [self.path(place), self.path(place)]}),
        }
    }

    fn odd(&mut self, depth: usize, place: Place) -> Value {
        match self.below(4) {
            0 => self.expression(depth, place),
            1 => self.literal(2),
            _ => Value::Array((0..self.below(5)).map(|_| self.expression(depth, place)).collect()),
        }
    }

    fn args(&mut self, operator: &str, depth: usize, place: Place) -> Value {
        let d = depth;
        match operator {
            "var" => return self.var(place)["var"].clone(),
            "if" | "?:" | "and" | "or" | "cat" | "max" | "min" | "+" | "-" | "*" | "merge" => {
                let n = 1 + self.below(4);
                return (0..n).map(|_| self.expression(d, place)).collect();
            }
            "!" | "!!" | "abs" => return json!([self.expression(d, place)]),
            "<" | "<=" | ">" | ">=" if self.once_in(3) => {
                return (0..3).map(|_| self.expression(d, place)).collect();
            }
            "substr" => {
                let mut args = vec![self.expression(d, place), self.small()];
                if self.once_in(2) {
                    args.push(self.small());
                }
                return args.into();
            }
            "in" if self.once_in(2) => {
                let n = self.below(12);
                let list: Value = (0..n).map(|_| self.literal(if n > 5 { 0 } else { 1 })).collect();
                return json!([self.expression(d, place), list]);
            }
            "missing" => return (0..1 + self.below(3)).map(|_| self.path(place)).collect(),
            "missing_some" => {
                let paths: Value = (0..1 + self.below(3)).map(|_| self.path(place)).collect();
                return json!([self.below(3), paths]);
            }
            "map" | "filter" | "all" | "none" | "some" => {
                return json!([self.subject(d, place), self.expression(d, Place::Element)]);
            }
            "reduce" => {
                let body = self.expression(d, Place::Fold);
                return json!([self.subject(d, place), body, self.literal(0)]);
            }
            _ => {}
        }
        self.special_args(operator, d, place)
    }

    fn special_args(&mut self, operator: &str, d: usize, place: Place) -> Value {
        match operator {
            "sem_ver" => {
                let relation = *self.pick(&["=", "!=", "<", "<=", ">", ">=", "~", "^", "=="]);
                json!([self.version(place), relation, self.version(place)])
            }
            "starts_with" | "ends_with" => {
                let affix = *self.pick(&["", "a", "abc", "@x.com", "1"]);
                json!([self.expression(d, place), affix])
            }
            "fractional" => self.shares(d, place),
            "set" => json!([self.var(place), "k", self.expression(d, place)]),
            "contains_any" => json!([self.subject(d, place), self.subject(d, place)]),
            _ => json!([self.expression(d, place), self.expression(d, place)]),
        }
    }

    fn shares(&mut self, d: usize, place: Place) -> Value {
        let mut args = Vec::new();
        match self.below(4) {
            0 => args.push(json!({"cat": [{"var": "$flagd.flagKey"}, self.var(place)]})),
            1 => args.push(self.expression(d, place)),
            _ => {}
        }
        for _ in 0..1 + self.below(4) {
            let mut share = vec![self.literal(0)];
            if !self.once_in(3) {
                share.push(match self.below(6) {
                    0 => self.expression(d, place),
                    1 => self.literal(0),
                    _ => json!(self.below(60)),
                });
            }
            args.push(share.into());
        }
        args.into()
    }

    fn subject(&mut self, d: usize, place: Place) -> Value {
        match self.below(6) {
            0 => (0..self.below(4)).map(|_| self.literal(1)).collect(),
            1 => self.expression(d, place),
            2 => self.var(place),
            _ => json!({"var": *self.pick(&["list", "objs", "words", "list2", "tags"])}),
        }
    }

    fn version(&mut self, place: Place) -> Value {
        if self.once_in(3) {
            return self.var(place);
        }
        json!(*self.pick(&[
            "1",
            "1.2",
            "v1.2.3",
            "V2.0.0",
            "1.2.3-alpha.1",
            "1.2.3-alpha.beta",
            "1.2.3-rc1+b",
            "0.9.0",
            "01.2",
            "x",
            "2.0"
        ]))
    }

    fn var(&mut self, place: Place) -> Value {
        let path = self.path(place);
        if self.once_in(4) {
            return json!({"var": [path, self.literal(1)]});
        }
        if self.once_in(8) {
            return json!({"var": [path]});
        }
        if self.once_in(40) {
            return json!({"var": self.expression(1, place)});
        }
        json!({ "var": path })
    }

    fn path(&mut self, place: Place) -> Value {
        if place == Place::Fold && !self.once_in(4) {
            return json!(*self.pick(&["current", "accumulator", "current.role", "valueType", ""]));
        }
        if place == Place::Element && !self.once_in(3) {
            return json!(*self.pick(&["", "", "role", "n", "x", ".role", "deep.k", "0", "targetingKey"]));
        }
        if self.once_in(20) {
            return self.literal(1);
        }
        json!(*self.pick(&[
            "a",
            "b",
            "n",
            "s",
            "role",
            "list",
            "objs",
            "words",
            "obj",
            "obj.k",
            "obj.l.x",
            "deep.l.0",
            "list.1",
            "list.x",
            "objs.0.role",
            "list.-1",
            "list.9",
            "empty",
            "nul",
            "zero",
            "no",
            "yes",
            "missing",
            "a.b.c",
            ".a",
            "b.",
            "tags",
            "$flagd.flagKey",
            "targetingKey",
            "",
            "email",
            "version",
            "list2",
            "bl",
            "1",
        ]))
    }

    fn small(&mut self) -> Value {
        if self.once_in(10) { self.literal(0) } else { json!(self.below(9) as i64 - 4) }
    }

    /// A value; `nesting` of them may be lists or objects.
    pub(crate) fn literal(&mut self, nesting: usize) -> Value {
        if nesting > 0 && self.once_in(6) {
            let n = self.below(4);
            return if self.once_in(4) {
                self.object(nesting - 1)
            } else {
                (0..n).map(|_| self.literal(nesting - 1)).collect()
            };
        }
        match self.below(8) {
            0 => self.pick(&[json!(null), json!(true), json!(false)]).clone(),
            1..=3 => self
                .pick(&[
                    json!(0),
                    json!(1),
                    json!(-1),
                    json!(2),
                    json!(5),
                    json!(10),
                    json!(1.5),
                    json!(-2.25),
                    json!(0.1),
                    json!(100),
                    json!(1e21),
                    json!(1e-7),
                    json!(3_000_000_000_u64),
                    json!(-0.0),
                    json!(1e300),
                ])
                .clone(),
            _ => json!(*self.pick(&[
                "",
                "a",
                "b",
                "abc",
                "0",
                "1",
                "10",
                "1.0",
                "-1",
                "1e3",
                "1_000",
                " 1",
                "  ",
                "true",
                "false",
                "null",
                "NaN",
                "inf",
                "0x1p4",
                "1e999",
                "é<&>",
                "Zoë\u{2028}\"",
                "admin",
                "role",
                "x",
                "user",
                "a b",
                " a ",
                "1.2.3",
                "k",
                "bob@x.com",
                "\u{1}\n\t",
                "日本語",
                "😀x",
            ])),
        }
    }

    /// An object that cannot be mistaken for an operation: with no member, or with two and more.
    fn object(&mut self, nesting: usize) -> Value {
        let mut fields = Map::new();
        if !self.once_in(4) {
            fields.insert("k".to_owned(), self.literal(nesting));
            fields.insert("l".to_owned(), self.literal(nesting));
            if self.once_in(3) {
                fields.insert("role".to_owned(), self.literal(nesting));
            }
        }
        Value::Object(fields)
    }

    /// A context whose attributes come and go and change their kind.
    pub(crate) fn context(&mut self) -> Value {
        let mut fields = Map::new();
        fields.insert("always".to_owned(), json!(1));
        let usual = [
            ("targetingKey", json!(format!("user-{}", self.below(1000)))),
            ("email", json!("bob@x.com")),
            ("n", json!(self.below(100))),
            ("s", json!("abc")),
            ("role", json!("admin")),
            ("list", json!([1, 2, 3])),
            ("list2", json!(["1", 2, null, "x", [1, 5]])),
            ("words", json!(["a", "b", "abc", ""])),
            ("bl", json!([true, false])),
            ("tags", json!(["a", "admin", 1])),
            (
                "objs",
                json!([{"role": "admin", "n": 1}, {"role": "user", "n": 2, "x": [1]}, {"n": "3", "x": {}}]),
            ),
            ("obj", json!({"k": "v", "l": {"x": 1, "y": 2}})),
            ("deep", json!({"k": {"a": 1, "b": [1, 2]}, "l": [5, 6]})),
            ("version", json!("1.2.3")),
            ("empty", json!("")),
            ("nul", json!(null)),
            ("zero", json!(0)),
            ("no", json!(false)),
            ("yes", json!(true)),
            ("a", self.literal(2)),
            ("b", self.literal(2)),
            ("x", self.literal(1)),
            ("1", json!("one")),
        ];
        for (key, value) in usual {
            if self.once_in(3) {
                continue;
            }
            let value = if self.once_in(7) { self.literal(2) } else { value };
            fields.insert(key.to_owned(), value);
        }
        Value::Object(fields)
    }
}
