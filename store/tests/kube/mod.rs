//! A kube-apiserver and the etcd behind it, started for a test on loopback: what `HOIST_TEST_KUBE_APISERVER` and
//! `HOIST_TEST_ETCD` name.
//!
//! Everybody shows a token, RBAC decides, and the FeatureFlag resource is installed. Namespace `team` has a service account
//! `hoist`, which may do what docs/sources.md says that it must, by the very text that stands there.

#![allow(unreachable_pub, reason = "a module of a test binary")]

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::{Method, Url};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};

/// How long a server may take to start: it makes itself at home first.
const START: Duration = Duration::from_secs(120);
/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// The token of whoever may do anything.
const ADMIN: &str = "of-the-administrator";
/// Where the objects are.
const OBJECTS: &str = "/apis/core.openfeature.dev/v1beta1/namespaces/team/featureflags";
const BINDINGS: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/team/rolebindings";
const ACCOUNTS: &str = "/api/v1/namespaces/team/serviceaccounts";

/// What docs/sources.md says that the source must be allowed.
const DOCUMENTED: &str = include_str!("../../../docs/sources.md");

/// The two programs, their data, and whom to trust. They end when it is dropped.
pub struct Kube {
    folder: tempfile::TempDir,
    programs: [PathBuf; 2],
    /// Of etcd for its clients and its peers, and of the API server.
    ports: [u16; 3],
    /// Beside the arguments that it cannot do without.
    arguments: &'static [&'static str],
    etcd: Option<Child>,
    server: Option<Child>,
    authority: CertificateDer<'static>,
}

impl Kube {
    /// A cluster without flags; none where the programs are not named, and it says so.
    pub fn start(arguments: &'static [&'static str]) -> Option<Self> {
        let named = ["HOIST_TEST_ETCD", "HOIST_TEST_KUBE_APISERVER"].map(std::env::var_os);
        let [Some(etcd), Some(server)] = named else {
            println!("skipped: HOIST_TEST_KUBE_APISERVER and HOIST_TEST_ETCD do not name the two programs");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let signing = rcgen::KeyPair::generate().expect("a key");
        let write =
            |name: &str, text: String| std::fs::write(folder.path().join(name), text).expect("a file");
        write("ca.crt", made.cert.pem());
        write("server.key", made.signing_key.serialize_pem());
        write("accounts.key", signing.serialize_pem());
        write("accounts.pub", signing.public_key_pem());
        write("tokens.csv", format!("{ADMIN},administrator,1,\"system:masters\"\n"));
        let logged = json!({"level": "Metadata", "resources": [{"group": "core.openfeature.dev"}]});
        let rules = json!({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
            "rules": [logged, {"level": "None"}]});
        write("audit.json", rules.to_string());
        let held = [(); 3].map(|()| TcpListener::bind(("127.0.0.1", 0)).expect("a free port"));
        let ports = held.map(|listener| listener.local_addr().expect("an address").port());
        let (programs, authority) = ([etcd.into(), server.into()], made.cert.der().clone());
        let mut kube = Self { folder, programs, ports, arguments, etcd: None, server: None, authority };
        kube.start_etcd();
        kube.start_server();
        kube.furnish();
        Some(kube)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts etcd, with what it knew if it was there before.
    pub fn start_etcd(&mut self) {
        let [clients, peers, _] = self.ports.map(|port| format!("http://127.0.0.1:{port}"));
        let mut command = Command::new(&self.programs[0]);
        command.arg("--data-dir").arg(self.path("etcd")).args(["--log-level", "error"]);
        command.args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients]);
        command.args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers]);
        command.args(["--initial-cluster", &format!("default={peers}")]);
        self.etcd = Some(spawn(command, &self.path("etcd.log")));
    }

    /// Starts the API server and waits until it is ready.
    pub fn start_server(&mut self) {
        let mut command = Command::new(&self.programs[1]);
        command.arg(format!("--etcd-servers=http://127.0.0.1:{}", self.ports[0]));
        command.args(["--bind-address=127.0.0.1", "--authorization-mode=RBAC", "--anonymous-auth=false"]);
        command.arg(format!("--secure-port={}", self.ports[2]));
        command
            .args(["--service-cluster-ip-range=10.0.0.0/24", "--service-account-issuer=https://localhost"]);
        for (name, file) in [
            ("cert-dir", "made"),
            ("tls-cert-file", "ca.crt"),
            ("tls-private-key-file", "server.key"),
            ("token-auth-file", "tokens.csv"),
            ("service-account-key-file", "accounts.pub"),
            ("service-account-signing-key-file", "accounts.key"),
            ("audit-policy-file", "audit.json"),
            ("audit-log-path", "audit.log"),
        ] {
            command.arg(format!("--{name}={}", self.path(file).display()));
        }
        command.args(self.arguments);
        self.server = Some(spawn(command, &self.path("server.log")));
        self.wait("/readyz");
    }

    /// Kills the API server, or asks it to stop and waits; what it knows is etcd's.
    pub fn stop_server(&mut self, asked: bool) {
        if let Some(server) = self.server.as_mut().filter(|_| asked) {
            let told = Command::new("kill").args(["-TERM", &server.id().to_string()]).status();
            assert!(told.expect("kill(1)").success());
            let _ = server.wait();
        }
        end(self.server.take());
    }

    pub fn stop_etcd(&mut self) {
        end(self.etcd.take());
    }

    /// How many lists of FeatureFlags the source has asked for, as the API server's own log has it.
    pub fn lists(&self) -> usize {
        let log = std::fs::read_to_string(self.path("audit.log")).expect("a log of requests");
        let is_list = |line: &&str| {
            let event: Value = serde_json::from_str(line).unwrap_or_default();
            event["verb"] == "list" && event["user"]["username"] == "system:serviceaccount:team:hoist"
        };
        log.lines().filter(is_list).count()
    }

    /// Installs what a cluster with the OpenFeature Operator has, and what an operator of ours adds.
    fn furnish(&self) {
        self.make("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &resource());
        self.make("/api/v1/namespaces", &json!({"metadata": {"name": "team"}}));
        self.make(ACCOUNTS, &json!({"metadata": {"name": "hoist"}}));
        let documented = DOCUMENTED.split("```yaml\n").find_map(|block| {
            block.strip_prefix("apiVersion: rbac.authorization.k8s.io/v1\n")?;
            block.split("```").next()?.split_once("---\n")
        });
        let (role, _) = documented.expect("docs/sources.md has a role and its binding");
        let roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/team/roles";
        let (status, said) = self.ask(Method::POST, roles, "application/yaml", role.to_owned());
        assert_eq!(status, 201, "{said}");
        self.admit(true);
        self.renew_token();
        self.wait(OBJECTS);
    }

    /// Binds the role to the service account, as docs/sources.md does, or no longer.
    pub fn admit(&self, welcome: bool) {
        let (status, said) = if welcome {
            let binding = DOCUMENTED.split("---\n").find(|text| text.contains("kind: RoleBinding\n"));
            let binding =
                binding.and_then(|text| text.split("```").next()).expect("a binding in docs/sources.md");
            self.ask(Method::POST, BINDINGS, "application/yaml", binding.to_owned())
        } else {
            self.ask(Method::DELETE, &format!("{BINDINGS}/hoist-flags"), "application/json", String::new())
        };
        assert!([200, 201].contains(&status), "{said}");
    }

    /// Gives the source a token of its service account, in the file where it looks for it.
    pub fn renew_token(&self) {
        let asked = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
        let made = self.make(&format!("{ACCOUNTS}/hoist/token"), &asked);
        let token = made["status"]["token"].as_str().expect("a token");
        std::fs::write(self.path("token"), format!("{token}\n")).expect("a writable file");
    }

    /// Makes the service account another one of the same name; its tokens so far are nobody's.
    pub fn replace_account(&self) {
        self.ask(Method::DELETE, &format!("{ACCOUNTS}/hoist"), "application/json", String::new());
        self.make(ACCOUNTS, &json!({"metadata": {"name": "hoist"}}));
    }

    /// A kubeconfig for the service account, as one reaches the server by `port`.
    pub fn kubeconfig_by(&self, port: u16) -> PathBuf {
        let text = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "contexts": [{"name": "it", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster":
                {"server": format!("https://localhost:{port}"), "certificate-authority": "ca.crt"}}],
            "users": [{"name": "u", "user": {"tokenFile": "token"}}],
        });
        std::fs::write(self.path("config"), text.to_string()).expect("a writable file");
        self.path("config")
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.ports[2]))
    }

    /// Makes `spec` the `flagSpec` of `team/NAME`; whether the server takes it.
    pub fn put(&self, name: &str, spec: &Value) -> bool {
        let path = format!("{OBJECTS}/{name}");
        let mut object = json!({
            "apiVersion": "core.openfeature.dev/v1beta1", "kind": "FeatureFlag", "metadata": {"name": name},
            "spec": {"flagSpec": spec},
        });
        let (status, known) = self.ask(Method::GET, &path, "application/json", String::new());
        let (status, said) = if status == 200 {
            object["metadata"] = known["metadata"].clone();
            self.ask(Method::PUT, &path, "application/json", object.to_string())
        } else {
            self.ask(Method::POST, OBJECTS, "application/json", object.to_string())
        };
        assert!([200, 201, 400, 422].contains(&status), "{said}");
        status < 300
    }

    pub fn delete(&self, name: &str) {
        let path = format!("{OBJECTS}/{name}");
        let (status, said) = self.ask(Method::DELETE, &path, "application/json", String::new());
        assert!([200, 404].contains(&status), "{said}");
    }

    /// Has etcd forget everything but the present.
    pub fn compact(&self) {
        let etcd = |path: &str, body: Value| {
            let url = format!("http://127.0.0.1:{}{path}", self.ports[0]);
            self.send(Method::POST, &url, "application/json", body.to_string())
        };
        let (_, now) = etcd("/v3/kv/range", json!({"key": "AA=="}));
        let revision = now["header"]["revision"].as_str().expect("etcd's revision");
        let (status, said) = etcd("/v3/kv/compaction", json!({"revision": revision, "physical": true}));
        assert_eq!(status, 200, "{said}");
    }

    fn make(&self, path: &str, object: &Value) -> Value {
        let (status, said) = self.ask(Method::POST, path, "application/json", object.to_string());
        assert_eq!(status, 201, "{path}: {said}");
        said
    }

    /// Waits until `path` is there.
    pub fn wait(&self, path: &str) {
        let deadline = Instant::now() + START;
        loop {
            let (status, said) = self.ask(Method::GET, path, "application/json", String::new());
            if status == 200 {
                return;
            }
            assert!(Instant::now() < deadline, "{path}: {status} {said}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn log(&self) -> String {
        let text = std::fs::read_to_string(self.path("server.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    fn ask(&self, method: Method, path: &str, kind: &str, body: String) -> (u16, Value) {
        self.send(method, &format!("https://localhost:{}{path}", self.ports[2]), kind, body)
    }

    /// What comes back, and its status; 0 without an answer. Blocks, on a thread of its own: the caller is in a runtime.
    fn send(&self, method: Method, url: &str, kind: &str, body: String) -> (u16, Value) {
        let url = Url::parse(url).expect("a URL");
        let sent = async {
            let client = reqwest::Client::builder().tls_backend_preconfigured(self.trust()).no_proxy();
            let request = client.timeout(PATIENCE).build().expect("a client").request(method, url);
            let request = request.bearer_auth(ADMIN).header("content-type", kind).body(body);
            let Ok(answer) = request.send().await else { return (0, Value::Null) };
            let (status, bytes) = (answer.status().as_u16(), answer.bytes().await.unwrap_or_default());
            let said = serde_json::from_slice(&bytes);
            (status, said.unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&bytes))))
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        std::thread::scope(|scope| scope.spawn(move || runtime.block_on(sent)).join().expect("no panic"))
    }

    fn trust(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.clone()).expect("a certificate");
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("usual versions")
            .with_root_certificates(roots)
            .with_no_client_auth()
    }
}

impl Drop for Kube {
    fn drop(&mut self) {
        end(self.server.take());
        end(self.etcd.take());
    }
}

fn spawn(mut command: Command, log: &Path) -> Child {
    let log = std::fs::File::create(log).expect("a writable file");
    command.stdin(Stdio::null()).stdout(log.try_clone().expect("a file")).stderr(log);
    command.spawn().expect("a program that starts")
}

fn end(process: Option<Child>) {
    if let Some(mut process) = process {
        let _ = process.kill();
        let _ = process.wait();
    }
}

/// The FeatureFlag resource. The operator's own says more of what a `flagSpec` is; a server that knows less lets through what
/// only the source can refuse.
fn resource() -> Value {
    let free = json!({"x-kubernetes-preserve-unknown-fields": true});
    let spec = json!({"type": "object", "properties": {"flagSpec": free}});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "featureflags.core.openfeature.dev"},
        "spec": {
            "group": "core.openfeature.dev",
            "scope": "Namespaced",
            "names": {"kind": "FeatureFlag", "listKind": "FeatureFlagList", "plural": "featureflags", "singular": "featureflag"},
            "versions": [{
                "name": "v1beta1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}},
            }],
        },
    })
}
