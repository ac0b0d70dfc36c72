//! What a document may hold, what is refused, and what each flag becomes (contract 6 and 5.2).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use hoist_engine::{Compiled, Definition, Flag, Layer, Limits, Options, Place, Problem, Severity, compile};

fn compiled(text: &str) -> Compiled {
    over(text, None)
}

fn over(text: &str, previous: Option<&Layer>) -> Compiled {
    let definition = Definition::parse(text).unwrap();
    compile(&definition, &Arc::from("flags.json"), &Options::default(), previous)
}

/// A document of one flag `a`.
fn one(flag: &str) -> Compiled {
    compiled(&format!(r#"{{"flags": {{"a": {flag}}}}}"#))
}

fn flag<'c>(compiled: &'c Compiled, key: &str) -> &'c Arc<Flag> {
    compiled.layer.flags().iter().find(|flag| flag.key() == key).unwrap()
}

fn keys(compiled: &Compiled) -> Vec<&str> {
    compiled.layer.flags().iter().map(|flag| flag.key()).collect()
}

fn refused(flag: &str) -> Problem {
    let compiled = one(flag);
    assert!(compiled.layer.flags().is_empty(), "{flag} is served");
    let mut errors = compiled.problems.into_iter().filter(|problem| problem.severity == Severity::Error);
    let error = errors.next().unwrap();
    assert_eq!(errors.next(), None);
    assert_eq!(error.flag.as_deref(), Some("a"));
    error
}

fn warnings(compiled: &Compiled) -> Vec<String> {
    assert!(compiled.problems.iter().all(|problem| problem.severity == Severity::Warning));
    compiled.problems.iter().map(ToString::to_string).collect()
}

const ON: &str = r#"{"state": "ENABLED", "variants": {"on": true}, "defaultVariant": "on"}"#;

#[test]
fn documents_that_cannot_be_read() {
    let cases = [
        ("", "the document is empty", None),
        (" \n ", "the document is empty", None),
        ("{}", "the document has no `flags`", None),
        (r#"{"flag": {}}"#, "the document has no `flags`; did you mean `flags` by `flag`?", None),
        ("null", "invalid type: null, expected an object with `flags`", Some((1, 4))),
        ("[]", "invalid type: sequence, expected an object with `flags`", Some((1, 2))),
        ("{\"flags\": {}} x", "trailing characters", Some((1, 15))),
        ("{\"flags\": {\n  \"é\": {,}\n}}", "key must be a string", Some((2, 9))),
        ("{\"flags\": {\"a\": {}", "EOF while parsing an object", Some((1, 18))),
        (
            r#"{"flags": 1}"#,
            "invalid type: integer `1`, expected an object or a list of flags",
            Some((1, 11)),
        ),
        (r#"{"flags": {}, "metadata": []}"#, "`metadata` is not an object", Some((1, 27))),
        (r#"{"flags": {}, "metadata": {"v": 1e400}}"#, "`metadata`: number out of range", Some((1, 27))),
        (
            r#"{"flags": {}, "$evaluators": []}"#,
            "invalid type: sequence, expected an object of `$evaluators`",
            Some((1, 31)),
        ),
    ];
    for (text, message, place) in cases {
        let malformed = Definition::parse(text).expect_err(text);
        assert_eq!(malformed.message, message, "{text}");
        let place = place.map(|(line, column)| Place { line, column });
        assert_eq!(malformed.place, place, "{text}: {message}");
    }
}

#[test]
fn depth_is_no_danger() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(500_000), close.repeat(500_000));
        assert!(Definition::parse(&deep).is_err());
        let compiled = compiled(&format!(r#"{{"flags": {{"deep": {deep}, "on": {ON}}}}}"#));
        assert_eq!(keys(&compiled), ["on"]);
        assert_eq!(compiled.problems.len(), 1);
        assert_eq!(compiled.problems[0].message, "recursion limit exceeded");
    }
}

#[test]
fn documents_without_flags_are_accepted() {
    for text in
        [r#"{"flags": {}}"#, r#"{"flags": []}"#, r#"{"flags": null}"#, r#"{"FLAGS": {}, "flags": null}"#]
    {
        assert!(compiled(text).layer.flags().is_empty(), "{text}");
    }
}

#[test]
fn flags_in_a_map_and_in_a_list() {
    let map = compiled(&format!(r#"{{"flags": {{"b": {ON}, "a": {ON}}}}}"#));
    assert_eq!(keys(&map), ["b", "a"]);
    let list = compiled(&format!(
        r#"{{"flags": [{{"key": "b", {rest}, {{"state": "ENABLED", "variants": {{"on": 1}}, "KEY": "a"}}, {ON}, {{"key": ""}}, {{"key": 1}}, 5]}}"#,
        rest = &ON[1..]
    ));
    assert_eq!(keys(&list), ["b", "a"]);
    let paths: Vec<_> = list.problems.iter().map(|problem| (&*problem.path, problem.severity)).collect();
    let error = Severity::Error;
    assert_eq!(paths, [("/flags/2", error), ("/flags/3", error), ("/flags/4", error), ("/flags/5", error)]);
}

#[test]
fn names_are_read_whatever_their_case() {
    let compiled = compiled(
        r#"{"FLAGS": {"a": {"STATE": "DISABLED", "Variants": {"on": 1}, "DEFAULTVARIANT": "on"}}, "MetaData": {"x": 1}}"#,
    );
    let flag = flag(&compiled, "a");
    assert!(!flag.enabled());
    assert_eq!(flag.default_variant().unwrap().name(), "on");
    assert_eq!(flag.metadata().json(), r#"{"x":1}"#);
    assert_eq!(compiled.problems.len(), 5);
    assert_eq!(compiled.problems[0].hint.as_deref(), Some("write `flags`"));
    assert_eq!(&*compiled.problems[2].path, "/FLAGS/a/STATE");
    assert!(compiled.problems.iter().all(|problem| problem.place.is_some()));
}

#[test]
fn flags_that_are_refused() {
    let cases = [
        (r#"[]"#, "", "a flag is an object"),
        (r#"{"state": 1}"#, "/state", "`state` is a number, not a string"),
        (r#"{"variants": []}"#, "/variants", "`variants` is a list, not an object"),
        (r#"{"defaultVariant": true}"#, "/defaultVariant", "`defaultVariant` is a boolean, not a string"),
        (r#"{"metadata": []}"#, "/metadata", "`metadata` is a list, not an object"),
        (
            r#"{"defaultVariant": "on"}"#,
            "/defaultVariant",
            "the default variant `on` is not among the variants",
        ),
        (r#"{"variants": {"on": 1e400}}"#, "", "number out of range"),
        (r#"{"metadata": {"flagSetId": ""}}"#, "", "`flagSetId` is empty"),
    ];
    for (flag, path, message) in cases {
        let problem = refused(flag);
        assert_eq!(problem.message, message, "{flag}");
        assert_eq!(*problem.path, *format!("/flags/a{path}"), "{flag}");
        assert!(problem.place.is_some());
    }
    let slip = refused(r#"{"variants": {"enabled": true}, "defaultVariant": "enabeld"}"#);
    assert_eq!(slip.hint.as_deref(), Some("did you mean `enabled`?"));
}

#[test]
fn flags_that_are_odd_but_served() {
    let text = |flag: &str| {
        let compiled = one(flag);
        assert_eq!(keys(&compiled), ["a"], "{flag}");
        compiled.layer.flags()[0].definition().to_owned()
    };
    let bare = r#"{"state":"ENABLED","defaultVariant":"","variants":{},"source":"flags.json"}"#;
    for flag in ["null", "{}", r#"{"state": "", "variants": null, "defaultVariant": null, "metadata": null}"#]
    {
        assert_eq!(text(flag), bare, "{flag}");
    }
    assert_eq!(text(r#"{"state": "disabled", "defaultVariant": ""}"#), bare);
    assert_eq!(
        text(r#"{"key": 1, "source": [], "targeting": {}}"#),
        bare.replace(r#","source""#, r#","targeting":{},"source""#)
    );
    assert_eq!(text(r#"{"targeting": null}"#), bare.replace(r#","source""#, r#","targeting":null,"source""#));
}

#[test]
fn warnings_say_what_to_do() {
    let odd = one(
        r#"{"stat": "x", "targetting": {}, "state": "disabled", "variants": {"on": true, "off": "no", "list": [], "null": null},
            "metadata": {"nested": {}, "flagSetId": 5}, "anything": 1}"#,
    );
    assert_eq!(
        warnings(&odd),
        [
            "flag `a`: a flag has no field `stat` (line 1, column 18); did you mean `state`?",
            "flag `a`: a flag has no field `targetting` (line 1, column 31); did you mean `targeting`?",
            "flag `a`: a flag has no field `anything` (line 2, column 57); it is ignored",
            "flag `a`: there is no state `disabled`; it counts as ENABLED (line 1, column 49); did you mean `DISABLED`?",
            "flag `a`: variant `off` is a string but `on` is a boolean (line 1, column 95)",
            "flag `a`: variant `list` is a list, which most protocols cannot carry (line 1, column 108)",
            "flag `a`: variant `null` is null, which most protocols cannot carry (line 1, column 120)",
            "flag `a`: metadata `nested` is an object; not every client gets it (line 2, column 26); use a string, a number or a boolean",
            "flag `a`: `flagSetId` is a number, not a string; it counts as unset (line 2, column 40)",
        ]
    );
    assert!(warnings(&one(ON)).is_empty());
}

#[test]
fn duplicates_are_reported_and_the_last_counts() {
    let twice = compiled(
        "{\"flags\": {\n  \"a\": {\"state\": \"ENABLED\", \"variants\": {\"x\": 1}},\n  \"a\": {\n    \"state\": \"DISABLED\",\n    \
         \"variants\": {\"x\": 2, \"x\": 3},\n    \"state\": \"ENABLED\"\n  }\n}}",
    );
    assert_eq!(flag(&twice, "a").variants()[0].json(), "3");
    assert_eq!(
        warnings(&twice),
        [
            "flag `a`: the key is taken again further down; the last one counts (line 2, column 8); the one that counts is on line 3",
            "flag `a`: `x` is written more than once; the last one counts (line 5, column 26); the first is on the same line",
            "flag `a`: `state` is written more than once; the last one counts (line 6, column 5); the first is 2 lines above",
        ]
    );
}

#[test]
fn metadata_and_flag_sets_are_inherited() {
    let compiled = compiled(
        r#"{"metadata": {"flagSetId": "set", "version": "1", "gone": null}, "flags": {
            "plain": {"state": "ENABLED", "variants": {"on": true}},
            "own": {"state": "ENABLED", "variants": {"on": true}, "metadata": {"flagSetId": "other", "version": 2, "nested": {"b": 1}}},
            "none": {"state": "ENABLED", "variants": {"on": true}, "metadata": {"flagSetId": null}}}}"#,
    );
    let of = |key| {
        let flag = flag(&compiled, key);
        (flag.flag_set(), flag.metadata().json())
    };
    assert_eq!(of("plain"), (Some("set"), r#"{"flagSetId":"set","version":"1"}"#));
    assert_eq!(of("own"), (Some("other"), r#"{"flagSetId":"other","nested":{"b":1},"version":2}"#));
    assert_eq!(of("none"), (None, r#"{"version":"1"}"#));
    let own = flag(&compiled, "own").definition();
    assert!(own.ends_with(r#""metadata":{"flagSetId":"other","version":2}}"#), "{own}");
}

#[test]
fn numbers_are_doubles_and_text_is_canonical() {
    let compiled = one(
        r#"{"state": "ENABLED", "variants": {"b": {"z": 12345678901234567890, "y": 1.0}, "a": {"t": "<&>"}}, "defaultVariant": "b",
            "targeting": { "if" : [ true, "a", 1e21 ] }, "metadata": {"m": 0.30000000000000004}}"#,
    );
    let flag = flag(&compiled, "a");
    let names: Vec<_> = flag.variants().iter().map(|variant| variant.name()).collect();
    assert_eq!(names, ["b", "a"]);
    assert_eq!(flag.variants()[0].json(), r#"{"y":1,"z":12345678901234567000}"#);
    assert_eq!(
        flag.definition(),
        r#"{"state":"ENABLED","defaultVariant":"b","variants":{"a":{"t":"\u003c\u0026\u003e"},"b":{"y":1,"z":12345678901234567000}},"targeting":{"if":[true,"a",1e+21]},"source":"flags.json","metadata":{"m":0.30000000000000004}}"#
    );
}

#[test]
fn references_are_written_out() {
    let compiled = compiled(
        r#"{"flags": {"a": {"state": "ENABLED", "variants": {"on": {"$ref": "inner"}}, "targeting": {"if": [{ "$ref" : "outer" }, "on", {"$ref": "none"}]}},
                      "b": {"state": "ENABLED", "variants": {"on": 1}, "targeting": {"$ref": "inner", "x": 1}}},
            "$evaluators": {"outer": {"!": [{"$ref": "inner"}]}, "inner": {"in": ["x", {"$ref": "list<&>"}]}, "list<&>": ["x", "y"]}}"#,
    );
    let targeting = r#""targeting":{"if":[{"!":[{"in":["x",["x","y"]]}]},"on",{"$ref":"none"}]}"#;
    let definition = flag(&compiled, "a").definition();
    assert!(definition.contains(targeting), "{definition}");
    assert!(definition.contains(r#""variants":{"on":{"$ref":"inner"}}"#), "only targeting refers");
    assert!(flag(&compiled, "b").definition().contains(r#"{"$ref":"inner","x":1}"#));
    assert_eq!(warnings(&compiled), ["flag `a`: there is no evaluator `none` (line 1, column 77)"]);
}

#[test]
fn rules_that_cannot_be_meant() {
    let of = |targeting: &str| {
        let odd = one(&format!(
            r#"{{"state": "ENABLED", "variants": {{"on": 1, "off": 2}}, "defaultVariant": "off", "targeting": {targeting}}}"#
        ));
        assert_eq!(odd.layer.flags().len(), 1);
        let problems = odd.problems.into_iter();
        problems
            .map(|problem| {
                let path = problem.path.strip_prefix("/flags/a/targeting").unwrap();
                format!(
                    "{path}: {}{}",
                    problem.message,
                    problem.hint.map_or(String::new(), |hint| format!(" ({hint})"))
                )
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(
        of(r#"{"ends_width": ["a", "b"]}"#),
        ["/ends_width: there is no operator `ends_width` (did you mean `ends_with`?)"]
    );
    assert_eq!(
        of(
            r#"{"if": [{"==": [{"vra": "x"}, "nn"]}, "offf", {"var": "y"}, "on", {"fractional": [["onn", 1], ["off", 1]]}]}"#
        ),
        [
            "/if/0/==/0/vra: there is no operator `vra` (did you mean `var`?)",
            "/if/1: the flag has no variant `offf` (did you mean `off`?)",
            "/if/4/fractional/0/0: the flag has no variant `onn` (did you mean `on`?)",
        ]
    );
    assert_eq!(
        of(r#"{"if": [{"==": [1, 1]}, true, "else"]}"#),
        ["/if/1: the flag has no variant `true`", "/if/2: the flag has no variant `else`"]
    );
    assert_eq!(
        of(
            r#"{"fractional": [{"var": "email"}, ["on", 1.5], ["off", -1], ["off", "x"], ["off", {"vars": 1}]]}"#
        ),
        [
            "/fractional/1/1: the weight 1.5 is not a whole number, so no share is ever given",
            "/fractional/2/1: a negative weight counts as 0",
            "/fractional/3/1: a weight is a number, not a string; no share is ever given",
            "/fractional/4/1/vars: there is no operator `vars` (did you mean `var`?)",
        ]
    );
    assert_eq!(of(r#"{"fractional": [["on", 2147483647], ["off"]]}"#).len(), 1);
    assert_eq!(of(r#"{"fractional": [["on", 0], ["off", 0]]}"#).len(), 1);
    for fine in [
        r#"{"if": [{"in": ["x", {"var": "y"}]}, "on"]}"#,
        r#"{"if": [{"or": ["a", "b"]}, null, {"var": "z"}]}"#,
        r#"{"==": [{"var": "x"}, "nothing"]}"#,
        r#"{"fractional": [{"cat": [{"var": "$flagd.flagKey"}, "x"]}, ["on"], ["off", {"var": "w"}]]}"#,
        r#""on""#,
        "null",
    ] {
        assert!(of(fine).is_empty(), "{fine}: {:?}", of(fine));
    }
}

#[test]
fn circular_references_end() {
    let compiled = compiled(
        r#"{"flags": {"a": {"state": "ENABLED", "variants": {"on": 1}, "targeting": {"if": [{"$ref": "x"}, "on"]}}},
            "$evaluators": {"x": {"!": {"$ref": "y"}}, "y": {"!": {"$ref": "z"}}, "z": {"!": {"$ref": "x"}}, "me": {"$ref": "me"}}}"#,
    );
    assert!(flag(&compiled, "a").definition().contains(r#""targeting":{"if":[{"$ref":"x"},"on"]}"#));
    let warnings = warnings(&compiled);
    assert_eq!(warnings.len(), 5, "{warnings:?}");
    assert!(warnings[0].contains("evaluator `me` refers to itself: `me` -> `me`"), "{warnings:?}");
    assert!(warnings[4].contains("evaluator `x` refers to itself: `x` -> `y` -> `z` -> `x`"), "{warnings:?}");
}

#[test]
fn evaluators_without_a_rule_refuse_what_uses_them() {
    let compiled = compiled(&format!(
        r#"{{"flags": {{"a": {{"state": "ENABLED", "variants": {{"on": 1}}, "targeting": {{"$ref": "uses"}}}}, "b": {ON}}},
            "$evaluators": {{"empty": {{}}, "uses": {{"!": {{"$ref": "empty"}}}}, "short": 12, "text": "abc"}}}}"#
    ));
    assert_eq!(keys(&compiled), ["b"]);
    let messages: Vec<_> = compiled.problems.iter().map(|problem| problem.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "evaluator `empty`: there is no rule in it",
            "evaluator `short`: there is no rule in it",
            "evaluator `uses` cannot be used"
        ]
    );
}

#[test]
fn doubling_evaluators_cost_nothing() {
    let mut evaluators: Vec<String> = (1..32)
        .map(|at| format!(r#""e{at}": {{"and": [{{"$ref": "e{}"}}, {{"$ref": "e{}"}}]}}"#, at - 1, at - 1))
        .collect();
    evaluators.push(r#""e0": {"==": [1, 1]}"#.to_owned());
    let text = format!(
        r#"{{"flags": {{"bomb": {{"state": "ENABLED", "variants": {{"on": 1}}, "targeting": {{"$ref": "e31"}}}}, "on": {ON}}}, "$evaluators": {{{}}}}}"#,
        evaluators.join(",")
    );
    let compiled = compiled(&text);
    assert_eq!(keys(&compiled), ["on"]);
    assert!(
        compiled.problems[0].message.contains("nodes with every `$ref` written out"),
        "{:?}",
        compiled.problems
    );
}

#[test]
fn long_chains_and_many_references_are_refused() {
    let chain: Vec<String> =
        (0..20_000).map(|at| format!(r#""e{at}": {{"!": {{"$ref": "e{}"}}}}"#, at + 1)).collect();
    let text = format!(
        r#"{{"flags": {{"deep": {{"state": "ENABLED", "variants": {{"on": 1}}, "targeting": {{"$ref": "e0"}}}}}}, "$evaluators": {{{}}}}}"#,
        chain.join(",")
    );
    let deep = compiled(&text);
    assert!(deep.problems[0].message.contains("nested too deep"), "{:?}", deep.problems);

    let flags: Vec<String> = (0..100)
        .map(|at| {
            format!(
                r#""f{at}": {{"state": "ENABLED", "variants": {{"on": 1}}, "targeting": {{"$ref": "big"}}}}"#
            )
        })
        .collect();
    let text = format!(
        r#"{{"flags": {{{}}}, "$evaluators": {{"big": ["{}"]}}}}"#,
        flags.join(","),
        "x".repeat(1000)
    );
    let definition = Definition::parse(&text).unwrap();
    let options =
        Options { limits: Limits { referred_bytes: 10_000, ..Limits::default() }, ..Options::default() };
    let many = compile(&definition, &Arc::from("s"), &options, None);
    assert_eq!(many.layer.flags().len(), 9);
    assert_eq!(many.problems.len(), 91);
}

#[test]
fn a_bad_flag_keeps_its_last_good_definition() {
    let before = compiled(&format!(r#"{{"flags": {{"a": {ON}, "b": {ON}, "c": {ON}}}}}"#));
    let after = over(&format!(r#"{{"flags": {{"a": {ON}, "b": 5}}}}"#), Some(&before.layer));
    assert_eq!(keys(&after), ["a", "b"]);
    for (new, old) in after.layer.flags().iter().zip(before.layer.flags()) {
        assert!(Arc::ptr_eq(new, old), "{} was compiled again", new.key());
    }
    assert_eq!(after.problems.len(), 1);
}

#[test]
fn flags_written_alike_differ_in_their_key_alone() {
    let odd = r#"{"variants": {"on": true}, "defaultVariant": "on", "metadata": {"owner": "me"}}"#;
    let both = |a: &str, b: &str| format!("{{\"flags\": {{\"a\": {a},\n \"b\": {b}}}}}");
    let first = compiled(&both(odd, odd));
    let said: Vec<_> = first.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "flag `a`: the flag has no `state` (line 1, column 17); it counts as ENABLED",
            "flag `b`: the flag has no `state` (line 2, column 7); it counts as ENABLED",
        ]
    );
    assert_eq!(flag(&first, "a").definition(), flag(&first, "b").definition());
    assert_eq!(flag(&first, "a").metadata().json(), flag(&first, "b").metadata().json());
    let _: &u8 = flag(&first, "a").shelved(|| 1).unwrap();
    assert_eq!(flag(&first, "b").shelved(|| 2_u8), Some(&2));

    let second = over(&both(odd, ON), Some(&first.layer));
    assert!(Arc::ptr_eq(flag(&second, "a"), flag(&first, "a")));
    assert_eq!(flag(&second, "b").definition(), flag(&one(ON), "a").definition());
    let third = over(&both(ON, odd), Some(&second.layer));
    assert_eq!(flag(&third, "b").definition(), flag(&first, "b").definition());
}

#[test]
fn what_a_flag_depends_on_compiles_it_again() {
    let base = format!(r#""flags": {{"a": {ON}, "b": {{"state": "ODD", "variants": {{"on": 1}}}}}}"#);
    let before = compiled(&format!("{{{base}}}"));
    let same = over(&format!("{{ {base}, \"$schema\": \"x\"}}"), Some(&before.layer));
    assert!(Arc::ptr_eq(flag(&same, "a"), flag(&before, "a")));
    assert_eq!(warnings(&same).len(), 1, "what is odd is said again");
    let place = |compiled: &Compiled| compiled.problems[0].place.map(|place| place.column);
    assert_eq!(place(&same), place(&before).map(|column| column + 1));
    for rest in [r#""metadata": {"x": 1}"#, r#""$evaluators": {"x": {"!": [1]}}"#] {
        let other = over(&format!("{{{base}, {rest}}}"), Some(&before.layer));
        assert!(!Arc::ptr_eq(flag(&other, "a"), flag(&before, "a")), "{rest}");
    }
}

#[test]
fn problems_are_bounded() {
    let flags: Vec<String> = (0..20_000).map(|at| format!(r#""f{at}": {{"stat": 1, "x": 5}}"#)).collect();
    let text = format!(r#"{{"flags": {{{}, "bad": 5}}}}"#, flags.join(","));
    let compiled = compiled(&text);
    assert_eq!(compiled.layer.flags().len(), 20_000);
    assert!(compiled.problems.len() < 20_000);
    assert!(compiled.problems.iter().any(|problem| problem.severity == Severity::Error));
    assert!(compiled.problems.last().unwrap().message.contains("more problems are left out"));
}
