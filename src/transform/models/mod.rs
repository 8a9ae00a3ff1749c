//! Lists of models and single models, between the three families, by way of one [`Model`].
//!
//! Owned values: lists of many providers are merged, renamed, filtered and cut into pages before they are written.

mod lift;
mod lower;
mod page;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use crate::{
    protocol::{
        Family,
        json::{Node, WrongShape},
    },
    transform::Loss,
};

pub use page::{Page, query};

/// One model, in no family's shape.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Its id, without Google's `models/`.
    pub id: String,
    /// Its name for people.
    pub display_name: Option<String>,
    /// What it is good for.
    pub description: Option<String>,
    /// When it was made, in Unix seconds.
    pub created: Option<u64>,
    /// Whose it is.
    pub owner: Option<String>,
    /// The most tokens of a prompt.
    pub max_input_tokens: Option<u64>,
    /// The most tokens of an answer.
    pub max_output_tokens: Option<u64>,
    /// What Google lets be done with it: `generateContent`, `embedContent`, ...
    pub methods: Vec<String>,
    /// When it will be gone, as its provider writes it.
    pub retires: Option<String>,
    /// Whose shape it was read from; `None` for one of our own making.
    pub of: Option<Family>,
    /// What else its family says of it, in its order: written back in the same family, lost in the others.
    pub rest: Vec<(String, Box<RawValue>)>,
}

/// Models, and whether there are more.
#[derive(Clone, Debug, Default)]
pub struct List {
    /// The models, in their provider's order.
    pub models: Vec<Model>,
    /// What the next page is asked with; `None` on the last.
    pub next: Option<String>,
}

impl Model {
    /// A model of which no more is known than its id.
    pub fn named(id: impl Into<String>) -> Self {
        Self { id: id.into(), ..Self::default() }
    }

    /// Reads one model.
    ///
    /// # Errors
    /// It is no object, or has no id.
    pub fn read(family: Family, body: Node<'_>) -> Result<Self, WrongShape> {
        lift::model(family, body)
    }

    /// The body of an answer with this one model.
    #[must_use]
    pub fn written(&self, family: Family) -> Vec<u8> {
        lower::model(family, self)
    }

    /// The members that `family` has no place for, by name.
    fn lost(&self, family: Family) -> impl Iterator<Item = &str> {
        let foreign = self.of.is_some_and(|of| of != family);
        self.rest.iter().filter(move |_| foreign).map(|(name, _)| &**name)
    }
}

impl List {
    /// Reads a list. Entries that have no id are left out, as one odd entry must not hide the others.
    ///
    /// # Errors
    /// It is no list.
    pub fn read(family: Family, body: Node<'_>) -> Result<Self, WrongShape> {
        lift::list(family, body)
    }

    /// The body of an answer with this list.
    #[must_use]
    pub fn written(&self, family: Family) -> Vec<u8> {
        lower::list(family, self)
    }
}

/// One model's description out of one family's shape into another's.
///
/// # Errors
/// The body is no model of `from`.
pub fn model(body: &[u8], from: Family, to: Family, losses: &mut Vec<Loss>) -> Result<Vec<u8>, WrongShape> {
    let model = Model::read(from, Node::parse(body)?)?;
    losses.extend(model.lost(to).map(Loss::dropped));
    Ok(model.written(to))
}

/// A list of models out of one family's shape into another's. A member that many models have is lost once.
///
/// # Errors
/// The body is no list of `from`.
pub fn list(body: &[u8], from: Family, to: Family, losses: &mut Vec<Loss>) -> Result<Vec<u8>, WrongShape> {
    let list = List::read(from, Node::parse(body)?)?;
    let lost: BTreeSet<&str> = list.models.iter().flat_map(|model| model.lost(to)).collect();
    losses.extend(lost.into_iter().map(|name| Loss::dropped(format!("{}[].{name}", lift::list_name(from)))));
    Ok(list.written(to))
}
