//! Where in a YAML document something is.

use std::collections::HashMap;
use std::fmt;

use engine::{Place, Problem};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use super::yaml;

/// Places problems in YAML: a member where its key begins, an item where it begins itself. What is not written out, such
/// as a member that is missing, is where that which should hold it is.
pub(super) fn in_yaml(text: &str, problems: &mut [Problem]) {
    let paths: Vec<&str> = problems.iter().map(|problem| &*problem.path).collect();
    let places = find(text, &paths);
    for (problem, place) in problems.iter_mut().zip(places) {
        problem.place = place;
    }
}

/// The place of each path, found in one walk.
pub(super) fn find(text: &str, paths: &[&str]) -> Vec<Option<Place>> {
    // Whatever else is wrong with the document was refused before.
    let tree = yaml::read(text, |yaml| Tree::deserialize(yaml)).ok();
    paths.iter().map(|path| tree.as_ref()?.find(path)).collect()
}

/// A document reduced to where its parts are.
enum Tree {
    Leaf,
    Map(HashMap<String, (Location, Tree)>),
    List(Vec<Spanned<Tree>>),
}

impl Tree {
    fn find(&self, pointer: &str) -> Option<Place> {
        let (mut here, mut found) = (self, None);
        for segment in pointer.split('/').skip(1) {
            let name = segment.replace("~1", "/").replace("~0", "~");
            let next = match here {
                Self::Leaf => None,
                Self::Map(members) => members.get(&name).map(|(location, tree)| (*location, tree)),
                Self::List(items) => name
                    .parse()
                    .ok()
                    .and_then(|at: usize| items.get(at))
                    .map(|item| (item.referenced, &item.value)),
            };
            let Some((location, tree)) = next else { break };
            (here, found) = (tree, Some(location));
        }
        let location = found.filter(|location| location.line() > 0)?;
        Some(Place {
            line: usize::try_from(location.line()).ok()?,
            column: usize::try_from(location.column()).ok()?,
        })
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Parts)
    }
}

struct Parts;

impl<'de> Visitor<'de> for Parts {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Tree, A::Error> {
        let mut map = HashMap::new();
        while let Some(key) = members.next_key::<Spanned<String>>()? {
            map.insert(key.value, (key.referenced, members.next_value()?));
        }
        Ok(Tree::Map(map))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Tree::List(list))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_unit<E: Error>(self) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_none<E: Error>(self) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_i128<E: Error>(self, _: i128) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_u128<E: Error>(self, _: u128) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }
}
