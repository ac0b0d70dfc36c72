//! Certificates: readable, a pair, and for how long.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::UNIX_EPOCH;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::parse_x509_certificate;

use super::Finding;
use crate::ask;
use crate::config::{Config, TlsPair};
use crate::listen::Certificate;

const WHAT: &str = "tls";
const DAY: i64 = 86_400;
/// Days of validity left below which a certificate is worth a warning.
const FEW: i64 = 30;

/// What is to be said of each configured pair.
pub(super) fn check(config: &Config) -> Vec<Finding> {
    let pairs = [config.listen.tls.as_ref(), config.otel.client.as_ref()];
    pairs.into_iter().flatten().flat_map(pair).collect()
}

fn pair(pair: &TlsPair) -> Vec<Finding> {
    let place = pair.cert.display().to_string();
    if let Err(error) = Certificate::load(&pair.cert, &pair.key) {
        let advice =
            "give a PEM certificate chain, leaf first, and its unencrypted key, both readable by this user";
        return vec![Finding::error(WHAT, place, error.to_string(), advice)];
    }
    let mut findings = vec![validity(&pair.cert, place)];
    let open = fs::metadata(&pair.key).is_ok_and(|found| found.permissions().mode() & 0o004 != 0);
    if open {
        let key = pair.key.display().to_string();
        let advice = "take the permission away: chmod o-r";
        findings.push(Finding::warning(
            WHAT,
            key,
            "the key may be read by every user of this machine",
            advice,
        ));
    }
    findings
}

/// How long the leaf certificate is valid.
fn validity(path: &Path, place: String) -> Finding {
    let Some((from, until)) = period(path) else {
        let advice = "make sure that the first certificate in the file is a well-formed X.509 certificate";
        return Finding::warning(
            WHAT,
            place,
            "works with its key, but its period of validity cannot be read",
            advice,
        );
    };
    let now = ask::clock().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
    let left = (until - now).div_euclid(DAY);
    if now < from {
        let advice = "check this machine's clock and the certificate";
        return Finding::error(WHAT, place, "the certificate is not valid yet", advice);
    }
    if now > until {
        let text = format!("the certificate expired {} days ago", -left);
        return Finding::error(WHAT, place, text, "renew it; clients refuse it");
    }
    let text = format!("certificate and key belong together, {left} days left");
    if left < FEW {
        return Finding::warning(
            WHAT,
            place,
            text,
            "renew it soon; a running daemon takes new files by itself",
        );
    }
    Finding::ok(WHAT, place, text)
}

/// From when until when the first certificate of a file is valid, in seconds since 1970.
fn period(path: &Path) -> Option<(i64, i64)> {
    let first = CertificateDer::pem_file_iter(path).ok()?.next()?.ok()?;
    let (_, certificate) = parse_x509_certificate(&first).ok()?;
    let validity = certificate.validity();
    Some((validity.not_before.timestamp(), validity.not_after.timestamp()))
}
