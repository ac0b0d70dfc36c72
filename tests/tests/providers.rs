//! The provider suite, over every backend there is.
#![allow(clippy::panic)]

use tests::backends::PROVIDERS;
use tests::suites::provider;

/// Runs the suite over the backend called `name`.
async fn ask(name: &str) {
    let backend = PROVIDERS.iter().find(|backend| backend.name == name);
    provider::run(backend.unwrap_or_else(|| panic!("no backend is called {name}"))).await;
}

/// One test for each, so that they run side by side; and one that sees to it that none is left out.
macro_rules! backends {
    ($($test:ident: $name:literal,)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            ask($name).await;
        })*

        #[test]
        fn none_is_left_out() {
            let asked = [$($name),*];
            for backend in PROVIDERS {
                assert!(asked.contains(&backend.name), "{} has no test here", backend.name);
            }
        }
    };
}

backends! {
    env_var: "env-var",
    file: "file",
    flagd_file: "flagd, file",
    flagd_in_process: "flagd, in-process",
    flagd_rpc: "flagd, rpc",
    flagsmith_in_process: "flagsmith, in process",
    flagsmith_remote: "flagsmith, remote",
    flipt_in_process: "flipt, in-process",
    flipt_remote: "flipt, remote",
    in_memory: "in-memory",
    multi_compare: "multi, compare",
    multi_fallback: "multi, fallback",
    multi_first_match: "multi, first match",
    multi_shadow: "multi, shadow",
    ofrep_bulk: "ofrep, bulk",
    ofrep_per_request: "ofrep, per request",
    unleash: "unleash",
}
