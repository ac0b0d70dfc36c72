//! S3, and what speaks like it: MinIO, Ceph, R2. Parameters are those of gocloud.dev, variables those of the AWS SDKs.

mod profile;

use std::net::IpAddr;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::client::HttpConnector;
use object_store::{ObjectStore, RetryConfig};
use reqwest::Url;

use super::Variables;
use super::location::{Parameters, switch};
use profile::Profile;

/// What the URI may say.
pub(super) const KNOWN: &str = "region, endpoint, profile, anonymous, use_path_style (s3ForcePathStyle), hostname_immutable, disable_https, \
     dualstack, fips, accelerate and prefix";
/// What matters to those who write, to other clients, or to checksums that are not sent.
const IGNORED: [&str; 6] = [
    "awssdk",
    "rate_limiter_capacity",
    "request_checksum_calculation",
    "response_checksum_validation",
    "ssetype",
    "kmskeyid",
];
/// Where AWS looks when nothing says otherwise.
const REGION: &str = "us-east-1";

/// How a bucket is reached.
#[derive(Debug)]
pub(super) struct S3 {
    region: Option<String>,
    endpoint: Option<String>,
    profile: Option<String>,
    anonymous: bool,
    path_style: bool,
    plain: bool,
    /// `dualstack`, `fips`, `accelerate`: which of Amazon's own addresses is meant.
    variant: Variant,
    variables: Variables,
}

#[derive(Debug, Default)]
struct Variant {
    dualstack: bool,
    fips: bool,
    accelerate: bool,
}

impl S3 {
    /// # Errors
    /// A parameter has no such value.
    pub(super) fn read(parameters: &mut Parameters, variables: Variables) -> Result<Self, String> {
        parameters.ignore(&IGNORED);
        let on = |found: Option<bool>| found.unwrap_or_default();
        // An endpoint that is meant as it stands cannot take the bucket into its name.
        let immutable = on(parameters.switch(&["hostname_immutable"])?);
        let s3 = Self {
            region: parameters
                .take(&["region"])
                .or_else(|| variables.first(&["AWS_REGION", "AWS_DEFAULT_REGION"])),
            endpoint: parameters
                .take(&["endpoint"])
                .or_else(|| variables.first(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"])),
            profile: parameters.take(&["profile"]).or_else(|| variables.first(&["AWS_PROFILE"])),
            anonymous: on(parameters.switch(&["anonymous"])?),
            path_style: immutable | on(parameters.switch(&["use_path_style", "s3ForcePathStyle"])?),
            plain: on(parameters.switch(&["disable_https", "disableSSL"])?),
            variant: Variant {
                dualstack: on(parameters.switch(&["dualstack"])?),
                fips: on(parameters.switch(&["fips"])?),
                accelerate: on(parameters.switch(&["accelerate"])?),
            },
            variables,
        };
        s3.address("bucket", REGION, s3.endpoint.as_deref())?;
        Ok(s3)
    }

    /// Reads the credentials that there are now.
    ///
    /// # Errors
    /// There are none, or they cannot be used.
    pub(super) fn open(
        &self,
        bucket: &str,
        http: impl HttpConnector,
        retry: RetryConfig,
    ) -> Result<Box<dyn ObjectStore>, String> {
        let profile = Profile::read(self.profile.as_deref(), &self.variables)?;
        let region = self.region.as_deref().or(profile.region.as_deref()).unwrap_or(REGION);
        let endpoint = self.endpoint.as_deref().or(profile.endpoint.as_deref());
        let builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(region)
            .with_endpoint(self.address(bucket, region, endpoint)?)
            // The address has the bucket already, wherever it belongs.
            .with_virtual_hosted_style_request(true)
            .with_retry(retry)
            .with_http_connector(http);
        let builder = self.identified(builder, &profile)?;
        Ok(Box::new(builder.build().map_err(|error| super::said(&error))?))
    }

    /// Who asks. The order is the SDKs': a named profile, variables, a web identity, the default profile, a container's or
    /// an instance's role.
    fn identified(&self, builder: AmazonS3Builder, profile: &Profile) -> Result<AmazonS3Builder, String> {
        if self.anonymous {
            return Ok(builder.with_skip_signature(true));
        }
        let of_profile = || {
            let (id, secret) = profile.keys.as_ref()?;
            let signed = builder.clone().with_access_key_id(id).with_secret_access_key(secret);
            Some(profile.token.iter().fold(signed, |builder, token| builder.with_token(token)))
        };
        if let Some(name) = &self.profile {
            return of_profile().ok_or_else(|| {
                format!(
                    "profile {name} has no aws_access_key_id and aws_secret_access_key; roles, sso and \
                         credential_process of profiles are not supported, use variables or a web identity"
                )
            });
        }
        let variables = &self.variables;
        if variables.get("AWS_ACCESS_KEY_ID").is_none()
            && variables.get("AWS_WEB_IDENTITY_TOKEN_FILE").is_none()
            && let Some(signed) = of_profile()
        {
            return Ok(signed);
        }
        if let Some(text) = variables.get("AWS_EC2_METADATA_DISABLED")
            && switch("AWS_EC2_METADATA_DISABLED", text).unwrap_or_default()
            && !CHAIN.iter().any(|(name, _)| variables.get(name).is_some())
        {
            return Err(
                "no credentials: none in the environment, no profile, and the instance's are disabled"
                    .to_owned(),
            );
        }
        Ok(variables.lay(CHAIN, builder, AmazonS3Builder::with_config))
    }

    /// The address of the bucket.
    fn address(&self, bucket: &str, region: &str, endpoint: Option<&str>) -> Result<String, String> {
        let scheme = if self.plain { "http" } else { "https" };
        let Some(endpoint) = endpoint else {
            return Ok(self.amazons(bucket, region, scheme));
        };
        let whole =
            if endpoint.contains("://") { endpoint.to_owned() } else { format!("{scheme}://{endpoint}") };
        let mut url = Url::parse(&whole).map_err(|error| format!("endpoint is no URL: {error}"))?;
        let host = url.host_str().filter(|_| ["http", "https"].contains(&url.scheme()));
        let host = host.ok_or("endpoint must be an http or https URL")?.to_owned();
        let is_number = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        if self.path_style || is_number || !fits_host(bucket) {
            let path = format!("{}/{bucket}", url.path().trim_end_matches('/'));
            url.set_path(&path);
        } else {
            url.set_host(Some(&format!("{bucket}.{host}"))).map_err(|error| format!("endpoint: {error}"))?;
        }
        Ok(url.as_str().trim_end_matches('/').to_owned())
    }

    fn amazons(&self, bucket: &str, region: &str, scheme: &str) -> String {
        let china = if region.starts_with("cn-") { ".cn" } else { "" };
        let Variant { dualstack, fips, accelerate } = self.variant;
        let service = if fips { "s3-fips" } else { "s3" };
        let dual = if dualstack { ".dualstack" } else { "" };
        if !fits_host(bucket) || self.path_style {
            return format!("{scheme}://{service}{dual}.{region}.amazonaws.com{china}/{bucket}");
        }
        if accelerate {
            return format!("{scheme}://{bucket}.s3-accelerate{dual}.amazonaws.com{china}");
        }
        format!("{scheme}://{bucket}.{service}{dual}.{region}.amazonaws.com{china}")
    }
}

/// Variables that say who asks, and what the builder calls them.
const CHAIN: &[(&str, AmazonS3ConfigKey)] = &[
    ("AWS_ACCESS_KEY_ID", AmazonS3ConfigKey::AccessKeyId),
    ("AWS_SECRET_ACCESS_KEY", AmazonS3ConfigKey::SecretAccessKey),
    ("AWS_SESSION_TOKEN", AmazonS3ConfigKey::Token),
    ("AWS_ROLE_ARN", AmazonS3ConfigKey::RoleArn),
    ("AWS_ROLE_SESSION_NAME", AmazonS3ConfigKey::RoleSessionName),
    ("AWS_WEB_IDENTITY_TOKEN_FILE", AmazonS3ConfigKey::WebIdentityTokenFile),
    ("AWS_ENDPOINT_URL_STS", AmazonS3ConfigKey::StsEndpoint),
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", AmazonS3ConfigKey::ContainerCredentialsRelativeUri),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", AmazonS3ConfigKey::ContainerCredentialsFullUri),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", AmazonS3ConfigKey::ContainerAuthorizationTokenFile),
    ("AWS_EC2_METADATA_SERVICE_ENDPOINT", AmazonS3ConfigKey::MetadataEndpoint),
];

/// Whether a bucket's name may be a label of a host that a certificate with one `*` covers.
fn fits_host(bucket: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    bucket.len() <= 63 && bucket.bytes().all(fits) && !bucket.starts_with('-') && !bucket.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::super::location;
    use super::*;

    fn s3(query: &str, variables: &[(&str, &str)]) -> Result<S3, String> {
        let (_, mut parameters) = location::parse(&format!("s3://b/k{query}")).expect("a URI");
        let s3 = S3::read(&mut parameters, Variables::from(variables))?;
        parameters.finish(KNOWN)?;
        Ok(s3)
    }

    #[test]
    fn addresses_are_those_of_the_sdks() {
        let table = [
            ("", "b", "us-east-1", "https://b.s3.us-east-1.amazonaws.com"),
            ("", "b.c", "us-east-1", "https://s3.us-east-1.amazonaws.com/b.c"),
            ("?use_path_style=true", "b", "eu-west-1", "https://s3.eu-west-1.amazonaws.com/b"),
            ("", "b", "cn-north-1", "https://b.s3.cn-north-1.amazonaws.com.cn"),
            (
                "?dualstack=true&fips=true",
                "b",
                "us-east-2",
                "https://b.s3-fips.dualstack.us-east-2.amazonaws.com",
            ),
            ("?accelerate=true", "b", "us-east-2", "https://b.s3-accelerate.amazonaws.com"),
            ("?endpoint=https%3A%2F%2Fminio.example%3A9000", "b", "x", "https://b.minio.example:9000"),
            ("?endpoint=minio.example:9000&s3ForcePathStyle=true", "b", "x", "https://minio.example:9000/b"),
            ("?endpoint=minio.example&hostname_immutable=true", "b", "x", "https://minio.example/b"),
            ("?endpoint=127.0.0.1:9000&disable_https=true", "b", "x", "http://127.0.0.1:9000/b"),
            ("?endpoint=http://[::1]:9000/", "b", "x", "http://[::1]:9000/b"),
            (
                "?endpoint=https://h/sub/&use_path_style=1&awssdk=v2&ssetype=AES256",
                "b",
                "x",
                "https://h/sub/b",
            ),
        ];
        for (query, bucket, region, expected) in table {
            let s3 = s3(query, &[]).expect(query);
            assert_eq!(
                s3.address(bucket, region, s3.endpoint.as_deref()).as_deref(),
                Ok(expected),
                "{query}"
            );
        }
    }

    #[test]
    fn variables_stand_in_for_parameters() {
        let variables =
            [("AWS_DEFAULT_REGION", "eu-west-3"), ("AWS_ENDPOINT_URL", "http://h"), ("AWS_PROFILE", "p")];
        let from_variables = s3("", &variables).expect("variables");
        assert_eq!(from_variables.region.as_deref(), Some("eu-west-3"));
        assert_eq!(from_variables.endpoint.as_deref(), Some("http://h"));
        assert_eq!(from_variables.profile.as_deref(), Some("p"));
        assert_eq!(s3("?region=x", &variables).expect("both").region.as_deref(), Some("x"));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (query, says) in [
            ("?endpoint=ftp://h", "endpoint must be an http or https URL"),
            ("?endpoint=http://", "endpoint is no URL"),
            ("?use_path_style=perhaps", "use_path_style must be true or false"),
            ("?regoin=x", "unknown parameter \"regoin\""),
        ] {
            let error = s3(query, &[]).expect_err(query);
            assert!(error.contains(says), "{query}: {error}");
        }
        assert!(!format!("{:?}", s3("", &[("AWS_SECRET_ACCESS_KEY", "hunter2")])).contains("hunter2"));
    }
}
