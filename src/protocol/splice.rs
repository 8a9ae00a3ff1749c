//! Changes to a body that leave every other byte as it came.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;

use super::peek::Peek;

/// A shorter body goes out in one piece: a copy costs less than two more pieces on their way.
const SHORT: usize = 16 * 1024;

/// A JSON body, its top level, and the changes that it will be sent with.
#[derive(Clone, Debug, Default)]
pub struct Document {
    body: Bytes,
    /// Shared, since each try has a document of its own.
    peek: Arc<Peek>,
    /// New values, by the place of their member.
    edits: Vec<(usize, Bytes)>,
    /// Members that are gone, by place, in order: a body may repeat a name as often as it has room for.
    removed: Vec<usize>,
    /// New members, as JSON text.
    fresh: Vec<Bytes>,
}

impl Document {
    /// Pairs a body with its scan.
    #[must_use]
    pub fn new(body: Bytes, peek: Peek) -> Self {
        Self { body, peek: Arc::new(peek), ..Self::default() }
    }

    /// The body as it came.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Its top level.
    #[must_use]
    pub fn peek(&self) -> &Peek {
        &self.peek
    }

    /// The value of a member as it came, as JSON text.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&[u8]> {
        self.peek.value(&self.body, name)
    }

    /// Sets a member to a JSON text: every member of the name where there is one, else a new first member.
    pub fn set(&mut self, name: &str, json: impl Into<Bytes>) {
        let json = json.into();
        let named = self.named(name);
        if named.is_empty() {
            let mut member = format!("{}:", serde_json::Value::from(name)).into_bytes();
            member.extend_from_slice(&json);
            self.fresh.push(member.into());
        }
        self.put(named.into_iter().map(|at| (at, json.clone())).collect());
    }

    /// Sets each member to what `edit` makes of its value as it came, where it makes something of it.
    pub fn set_each(&mut self, edit: impl Fn(&[u8]) -> Option<Bytes>) {
        let members = self.peek.members().iter().enumerate().filter(|(at, _)| !self.is_gone(*at));
        let changed = members.filter_map(|(at, member)| Some((at, edit(&self.body[member.value.clone()])?))).collect();
        self.put(changed);
    }

    /// Takes new values, which are in order, over earlier ones.
    fn put(&mut self, values: Vec<(usize, Bytes)>) {
        self.edits.retain(|(member, _)| values.binary_search_by_key(member, |(at, _)| *at).is_err());
        self.edits.extend(values);
    }

    /// Takes every member of the name out. An absent one is no matter.
    pub fn remove(&mut self, name: &str) {
        let named = self.named(name);
        self.removed.extend(named);
        self.removed.sort_unstable();
    }

    /// Takes every member out.
    pub fn clear(&mut self) {
        self.removed = (0..self.peek.members().len()).collect();
    }

    /// The members called `name` that are still there, by place, in order.
    fn named(&self, name: &str) -> Vec<usize> {
        self.peek.places(&self.body, name).filter(|at| !self.is_gone(*at)).collect()
    }

    fn is_gone(&self, at: usize) -> bool {
        self.removed.binary_search(&at).is_ok()
    }

    /// Whether the body goes out as it came.
    #[must_use]
    pub fn is_verbatim(&self) -> bool {
        self.edits.is_empty() && self.removed.is_empty() && self.fresh.is_empty()
    }

    /// The body as it would go out now, joined.
    #[must_use]
    pub fn whole(&self) -> Bytes {
        if self.is_verbatim() { self.body.clone() } else { self.clone().into_pieces().concat().into() }
    }

    /// The body as it goes out: slices of the one that came, and the changes between them.
    #[must_use]
    pub fn into_pieces(self) -> Vec<Bytes> {
        if self.is_verbatim() {
            return vec![self.body];
        }
        if let ([(at, json)], [], [], ..SHORT) = (&self.edits[..], &self.removed[..], &self.fresh[..], self.body.len()) {
            let value = &self.peek.members()[*at].value;
            return vec![[&self.body[..value.start], json, &self.body[value.end..]].concat().into()];
        }
        let mut changes: Vec<(Range<usize>, Bytes)> = self.cuts().map(|cut| (cut, Bytes::new())).collect();
        let members = self.peek.members();
        let kept = self.edits.iter().filter(|(at, _)| !self.is_gone(*at));
        changes.extend(kept.map(|(at, json)| (members[*at].value.clone(), json.clone())));
        if !self.fresh.is_empty() {
            let mut first = self.fresh.join(&b',');
            if self.removed.len() < members.len() {
                first.push(b',');
            }
            changes.push((self.peek.inside()..self.peek.inside(), first.into()));
        }
        changes.sort_by_key(|(range, _)| (range.start, range.end));
        let mut pieces = Vec::with_capacity(changes.len() * 2 + 1);
        let mut at = 0;
        for (range, with) in changes {
            pieces.push(self.body.slice(at..range.start));
            pieces.push(with);
            at = range.end;
        }
        pieces.push(self.body.slice(at..));
        pieces.retain(|piece| !piece.is_empty());
        pieces
    }

    /// The ranges of the removed members, each run of neighbours with the commas that would be left over.
    fn cuts(&self) -> impl Iterator<Item = Range<usize>> {
        let members = self.peek.members();
        let gone = |at: usize| self.is_gone(at);
        (0..members.len()).filter(move |at| gone(*at) && (*at == 0 || !gone(at - 1))).map(move |first| {
            let next = (first..members.len()).find(|at| !gone(*at));
            let last = members.last().map_or(0, |member| member.value.end);
            match (next, first.checked_sub(1)) {
                (Some(next), _) => members[first].key.start..members[next].key.start,
                (None, Some(before)) => members[before].value.end..last,
                (None, None) => members[first].key.start..last,
            }
        })
    }
}

#[cfg(test)]
mod tests;
