//! Which part of a list is asked for: query parameters across the families, and a page out of a whole list.

use super::{List, Model};
use crate::{protocol::Family, transform::Loss};

/// The largest page that both Anthropic and Google give.
const LARGEST: u64 = 1000;

/// Which part of a list is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The most models of it.
    pub limit: Option<u64>,
    /// What the page before said that the next is asked with. Between families it is carried as it stands:
    /// Anthropic's is a model's id, Google's a token.
    pub after: Option<String>,
    /// The model that the page ends before (Anthropic).
    pub before: Option<String>,
    /// Names of parameters without a canonical word.
    pub rest: Vec<String>,
}

impl Page {
    /// Reads a query. A limit that is no number, or none that fits, counts as none.
    #[must_use]
    pub fn read(family: Family, query: &str) -> Self {
        let mut page = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let Some((name, value)) = form_urlencoded::parse(pair.as_bytes()).next() else { continue };
            match (family, &*name) {
                (Family::OpenAi | Family::Claude, "limit") | (Family::Gemini, "pageSize" | "page_size") => {
                    page.limit = value.parse().ok().filter(|limit| *limit > 0);
                }
                (Family::OpenAi, "after") | (Family::Claude, "after_id") | (Family::Gemini, "pageToken" | "page_token") => {
                    page.after = Some(value.into_owned()).filter(|after| !after.is_empty());
                }
                (Family::OpenAi, "before") | (Family::Claude, "before_id") => page.before = Some(value.into_owned()),
                // A key in the query is the caller's own, and the gateway's business.
                (Family::Gemini, "key") => {}
                _ => page.rest.push(name.into_owned()),
            }
        }
        page
    }

    /// The query that asks `family` for this page; `None` where nothing is to be said.
    #[must_use]
    pub fn written(&self, family: Family) -> Option<String> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let (limit, after) = match family {
            Family::OpenAi => ("limit", "after"),
            Family::Claude => ("limit", "after_id"),
            Family::Gemini => ("pageSize", "pageToken"),
        };
        if let Some(most) = self.limit {
            query.append_pair(limit, &most.min(LARGEST).to_string());
        }
        if let Some(token) = &self.after {
            query.append_pair(after, token);
        }
        if let (Some(before), Family::Claude) = (&self.before, family) {
            query.append_pair("before_id", before);
        }
        Some(query.finish()).filter(|query| !query.is_empty())
    }

    /// The part of a whole list that is asked for. A place that no model of the list has begins at the front.
    #[must_use]
    pub fn cut(&self, models: Vec<Model>) -> List {
        let place = |id: &Option<String>| id.as_ref().and_then(|id| models.iter().position(|model| model.id == *id));
        let limit = self.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let (begin, end) = match (place(&self.after), place(&self.before)) {
            (None, Some(before)) => (before.saturating_sub(limit), before),
            (after, before) => {
                let begin = after.map_or(0, |after| after + 1);
                (begin, before.unwrap_or(models.len()).max(begin).min(begin.saturating_add(limit)))
            }
        };
        let more = end < models.len();
        let models: Vec<Model> = models.into_iter().take(end).skip(begin).collect();
        let next = models.last().map(|model| model.id.clone()).filter(|_| more);
        List { models, next }
    }
}

/// The query of one family's list in another's words. A client whose family has no pages is given the largest one.
#[must_use]
pub fn query(query: &str, from: Family, to: Family, losses: &mut Vec<Loss>) -> Option<String> {
    let mut page = Page::read(from, query);
    losses.extend(page.rest.iter().map(Loss::dropped));
    if let (Some(_), Family::OpenAi | Family::Gemini) = (&page.before, to) {
        losses.push(Loss::dropped(if from == Family::Claude { "before_id" } else { "before" }));
    }
    match (from, to) {
        // OpenAI's own list has no pages: the whole of it is asked for, and told.
        (_, Family::OpenAi) => return None,
        (Family::OpenAi, Family::Claude | Family::Gemini) => page.limit = Some(page.limit.unwrap_or(LARGEST)),
        // Google's default is 50, Anthropic's 20: what the client does not say is its own family's default.
        (Family::Claude, Family::Gemini) => page.limit = Some(page.limit.unwrap_or(20)),
        (Family::Gemini, Family::Claude) => page.limit = Some(page.limit.unwrap_or(50)),
        (Family::Claude, Family::Claude) | (Family::Gemini, Family::Gemini) => {}
    }
    page.written(to)
}
