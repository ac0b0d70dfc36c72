//! From a reference in a repository elsewhere to its commit in the cache: asked for, and fetched if it is new.

use std::num::NonZeroU32;

use gix::bstr::ByteSlice;
use gix::progress::Discard;
use gix::remote::{Direction, fetch, ref_map};
use gix::{ObjectId, Repository};
use gix_transport::client::blocking_io::Transport;

use super::address::Reference;
use super::errand::Errand;
use super::trouble::{Trouble, said};

/// Where branches, and tags in case there is no such branch, are kept in the cache.
const BRANCH: &str = "refs/hoist/branch";
const TAG: &str = "refs/hoist/tag";

/// The commit that `reference` means at the other end of `transport`, with everything in it and nothing of its past.
///
/// # Errors
/// There is no such reference, or whatever can go wrong on the way.
pub(super) fn fetch<T: Transport>(
    repository: &Repository,
    transport: T,
    url: &str,
    reference: &Reference,
    errand: &Errand,
) -> Result<ObjectId, Trouble> {
    let remote = repository.remote_at_without_url_rewrite(url)?;
    let specs = specs(reference);
    let remote = remote
        .with_fetch_tags(fetch::Tags::None)
        .with_refspecs(specs.iter().map(String::as_str), Direction::Fetch)?;
    // Credentials go along with the first request; nobody is there to be asked for others.
    let connection = remote.to_connection_with_transport(transport).with_credentials(|_| Ok(None));
    let prepared = connection.prepare_fetch(Discard, ref_map::Options::default());
    // Up to here nothing of what is stored was looked at.
    let prepared = prepared.map_err(|error| Trouble::unreachable(said(&error)))?;
    let tip = tip(prepared.ref_map()).ok_or_else(|| missing(reference))?;
    if !repository.has_object(tip) {
        let shallow = fetch::Shallow::DepthAtRemote(NonZeroU32::MIN);
        prepared.with_shallow(shallow).receive(Discard, errand.called_off())?;
    }
    Ok(tip)
}

/// The commit of a reference in a repository at hand.
///
/// # Errors
/// There is no such reference, or it cannot be read.
pub(super) fn look_up(repository: &Repository, reference: &Reference) -> Result<ObjectId, Trouble> {
    let names = match reference {
        Reference::Commit(id) => return Ok(*id),
        Reference::Head => vec!["HEAD".to_owned()],
        Reference::Whole(name) => vec![name.clone()],
        Reference::Named(name) => vec![format!("refs/heads/{name}"), format!("refs/tags/{name}")],
    };
    for name in names {
        if let Some(mut found) = repository.try_find_reference(name.as_str())? {
            return Ok(found.peel_to_id()?.detach());
        }
    }
    Err(missing(reference))
}

fn missing(reference: &Reference) -> Trouble {
    Trouble::unreachable(match reference {
        Reference::Head => "the repository is empty: its HEAD leads to no commit".to_owned(),
        Reference::Whole(name) => format!("there is no `{name}`"),
        Reference::Named(name) => {
            format!("there is no branch and no tag `{name}`; a commit is named by all its 40 digits")
        }
        Reference::Commit(id) => format!("there is no commit {id}"),
    })
}

fn specs(reference: &Reference) -> Vec<String> {
    match reference {
        Reference::Head => vec![format!("+HEAD:{BRANCH}")],
        Reference::Whole(name) => vec![format!("+{name}:{BRANCH}")],
        Reference::Commit(id) => vec![format!("+{id}:{BRANCH}")],
        Reference::Named(name) => {
            vec![format!("+refs/heads/{name}:{BRANCH}"), format!("+refs/tags/{name}:{TAG}")]
        }
    }
}

/// What the server has, a branch before a tag.
fn tip(map: &fetch::RefMap) -> Option<ObjectId> {
    let at = |local: &str| {
        let mapping = map
            .mappings
            .iter()
            .find(|mapping| mapping.local.as_ref().is_some_and(|name| name.as_bstr() == local))?;
        mapping.remote.peeled_id().map(ToOwned::to_owned)
    };
    at(BRANCH).or_else(|| at(TAG))
}
