//! The sessions that are watched: bounded in number, their bodies in bytes, both in time.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sha2::{Digest as _, Sha256};

use super::{
    Place, Report,
    outline::Outline,
    shift::{Shift, shift},
    verdict::{Beside, Tokens, price_of},
};
use crate::{
    base::{CredentialId, KeyId, Nanos, OrganizationId, ProviderId, Usage, UserId},
    protocol::OperationKind,
};

/// The most sessions; the one that was quiet for longest goes first.
const SESSIONS: usize = 1024;
/// The most bytes of bodies, their outlines among them; the oldest go first.
const BYTES: usize = 64 << 20;
/// A larger body is not kept.
pub const LARGEST: usize = 4 << 20;
/// How long after its last turn a session is forgotten, with its bodies.
const KEPT_MS: u64 = 3_600_000;
/// So many prompts of one session are kept: agents hold several conversations in one.
const HEADS: usize = 4;

/// What a session is known by.
pub type Session = [u8; 16];

/// Whose session it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whose {
    /// The user.
    pub user: UserId,
    /// The key of its first turn.
    pub key: KeyId,
    /// The user's organization at that time.
    pub organization: Option<OrganizationId>,
}

/// To whom a turn went, and in which shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The provider.
    pub provider: ProviderId,
    /// The credential.
    pub credential: Option<CredentialId>,
    /// The provider's id of the model.
    pub model: Arc<str>,
    /// The shape of the body.
    pub kind: OperationKind,
    /// When, Unix milliseconds.
    pub at_ms: u64,
}

/// A turn that was answered, and counted by its provider.
pub struct Turn {
    /// As the client names its session, where it does.
    pub session: Option<Session>,
    /// Whose it is.
    pub whose: Whose,
    /// To whom it went.
    pub to: Sent,
    /// The body as it was sent; `None` of one that is larger than [`LARGEST`].
    pub body: Option<Vec<u8>>,
    /// What it used.
    pub usage: Usage,
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.body.as_ref().map(Vec::len);
        f.debug_struct("Turn").field("whose", &self.whose).field("to", &self.to).field("bytes", &bytes).finish_non_exhaustive()
    }
}

/// A prompt as it was sent.
struct Head {
    text: Box<str>,
    outline: Outline,
    to: Sent,
    /// Its tokens.
    prompt: u64,
}

impl Head {
    fn read(body: Vec<u8>, to: &Sent, prompt: u64) -> Option<Self> {
        if body.len() > LARGEST {
            return None;
        }
        let text = String::from_utf8(body).ok()?.into_boxed_str();
        let outline = Outline::read(to.kind, &text)?;
        Some(Self { text, outline, to: to.clone(), prompt })
    }

    fn weight(&self) -> usize {
        self.text.len() + self.outline.weight()
    }

    /// Whether a later prompt goes on from this one.
    fn precedes(&self, later: &Self) -> bool {
        if self.to.kind == later.to.kind {
            self.outline.is_akin(&self.text, &later.outline, &later.text)
        } else {
            // Another dialect cannot be compared; of another provider it is the same session gone elsewhere.
            self.to.provider != later.to.provider
        }
    }

    fn beside(&self, before: &Self, now: Tokens) -> Beside {
        let is_comparable = self.to.kind == before.to.kind;
        Beside {
            kind: self.to.kind,
            shift: is_comparable.then(|| shift(self.to.kind, (&before.text, &before.outline), (&self.text, &self.outline))),
            is_same_provider: self.to.provider == before.to.provider,
            is_same_credential: self.to.credential == before.to.credential,
            is_same_model: self.to.model == before.to.model,
            gap_ms: self.to.at_ms.saturating_sub(before.to.at_ms),
            ttl_ms: before.outline.ttl_ms,
            marks: [before.outline.marks, self.outline.marks],
            before: before.prompt,
            now,
        }
    }
}

/// One session.
struct Watched {
    report: Report,
    /// Its prompts, the latest last.
    heads: Vec<u64>,
    /// Its place in the order of use.
    used: u64,
}

/// All that is kept.
#[derive(Default)]
struct Ward {
    sessions: HashMap<Session, Watched>,
    by_use: BTreeMap<u64, Session>,
    /// By their age.
    heads: BTreeMap<u64, (Session, Arc<Head>)>,
    bytes: usize,
    /// The last number that was given.
    counted: u64,
}

/// Watches sessions. Its `Debug` shows how many, and nothing of them.
#[derive(Default)]
pub struct Doctor(Mutex<Ward>);

impl fmt::Debug for Doctor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ward = self.lock();
        f.debug_struct("Doctor").field("sessions", &ward.sessions.len()).field("bytes", &ward.bytes).finish()
    }
}

impl Doctor {
    /// Takes a turn in. `price` says what a usage costs at the turn's provider; nothing where it has no price.
    pub fn settle(&self, turn: Turn, now_ms: u64, price: impl Fn(&Usage) -> Option<Nanos>) {
        let Turn { session, whose, to, body, usage } = turn;
        let tokens = Tokens::of(&usage);
        let head = body.and_then(|body| Head::read(body, &to, tokens.prompt()));
        let opening = || head.as_ref().and_then(|head| head.outline.opening()).map(|opening| unnamed(whose.user, opening));
        // Without a name and a prompt there is nothing that a next turn could be known by.
        let Some(id) = session.or_else(opening) else { return };
        let before = head.as_ref().and_then(|head| self.before(&id, head));
        let found = head.as_ref().zip(before.as_ref()).map(|(head, (_, before))| {
            let beside = head.beside(before, tokens);
            let verdict = beside.judge();
            let changed = beside.shift.and_then(place);
            (verdict, price_of(verdict.lost, &usage, price), changed)
        });
        let mut ward = self.lock();
        ward.expire(now_ms);
        let watched = ward.enter(id, || Report::begin((shown(&id), session.is_some()), whose, &to, now_ms));
        watched.report.turn(&to, tokens, now_ms);
        if let Some((verdict, cost, changed)) = found {
            watched.report.found((verdict, tokens.read), cost, changed);
        }
        match head {
            Some(head) => ward.keep(id, head, before.map(|(number, _)| number)),
            None => watched.report.seen.unread += 1,
        }
    }

    /// The prompt that a later one goes on from: of several, the one that it has the most in common with.
    fn before(&self, id: &Session, head: &Head) -> Option<(u64, Arc<Head>)> {
        let heads = self.lock().heads_of(id);
        let preceding = heads.into_iter().filter(|(_, before)| before.precedes(head));
        preceding.max_by_key(|(number, before)| (before.to.kind == head.to.kind, before.outline.shared(&head.outline), *number))
    }

    /// What is known of the sessions that are asked for, the worst first.
    pub fn reports(&self, now_ms: u64, is_asked_for: impl Fn(&Report) -> bool) -> Vec<Report> {
        let mut ward = self.lock();
        ward.expire(now_ms);
        let mut reports: Vec<Report> =
            ward.sessions.values().map(|watched| &watched.report).filter(|report| is_asked_for(report)).cloned().collect();
        drop(ward);
        reports.sort_by_cached_key(|report| {
            let lost = report.lost();
            (std::cmp::Reverse((lost.cost, lost.tokens, report.last_ms)), report.id.clone())
        });
        reports
    }

    /// Forgets what is over.
    pub fn expire(&self, now_ms: u64) {
        self.lock().expire(now_ms);
    }

    /// Forgets everything.
    pub fn clear(&self) {
        *self.lock() = Ward::default();
    }

    /// Bytes of bodies that are kept, their outlines among them.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    fn lock(&self) -> MutexGuard<'_, Ward> {
        // What a panic elsewhere leaves half done is a diagnosis, no call.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ward {
    fn number(&mut self) -> u64 {
        self.counted += 1;
        self.counted
    }

    fn heads_of(&self, id: &Session) -> Vec<(u64, Arc<Head>)> {
        let numbers = self.sessions.get(id).map_or(&[][..], |watched| &watched.heads);
        numbers.iter().filter_map(|number| Some((*number, Arc::clone(&self.heads.get(number)?.1)))).collect()
    }

    /// The session of an id, as the one that was used last.
    fn enter(&mut self, id: Session, report: impl FnOnce() -> Report) -> &mut Watched {
        let used = self.number();
        if let Some(watched) = self.sessions.get(&id) {
            self.by_use.remove(&watched.used);
        }
        while self.sessions.len() >= SESSIONS
            && !self.sessions.contains_key(&id)
            && let Some((_, quiet)) = self.by_use.pop_first()
        {
            self.forget(&quiet);
        }
        self.by_use.insert(used, id);
        let watched = self.sessions.entry(id).or_insert_with(|| Watched { report: report(), heads: Vec::new(), used });
        watched.used = used;
        watched
    }

    /// Keeps a prompt of a session, in the place of the one that it goes on from.
    fn keep(&mut self, id: Session, head: Head, before: Option<u64>) {
        if let Some(before) = before {
            self.drop_head(before);
        }
        let number = self.number();
        let Some(watched) = self.sessions.get_mut(&id) else { return };
        watched.heads.push(number);
        let surplus = if watched.heads.len() > HEADS { watched.heads.first().copied() } else { None };
        self.bytes += head.weight();
        self.heads.insert(number, (id, Arc::new(head)));
        if let Some(oldest) = surplus {
            self.drop_head(oldest);
        }
        while self.bytes > BYTES
            && let Some(oldest) = self.heads.first_key_value().map(|(number, _)| *number)
        {
            self.drop_head(oldest);
        }
    }

    fn drop_head(&mut self, number: u64) {
        let Some((id, head)) = self.heads.remove(&number) else { return };
        self.bytes -= head.weight();
        if let Some(watched) = self.sessions.get_mut(&id) {
            watched.heads.retain(|other| *other != number);
        }
    }

    fn forget(&mut self, id: &Session) {
        let Some(watched) = self.sessions.remove(id) else { return };
        self.by_use.remove(&watched.used);
        for number in watched.heads {
            self.drop_head(number);
        }
    }

    fn expire(&mut self, now_ms: u64) {
        let is_over = |watched: &Watched| watched.report.last_ms.saturating_add(KEPT_MS) <= now_ms;
        while let Some((used, id)) = self.by_use.first_key_value().map(|(used, id)| (*used, *id))
            && self.sessions.get(&id).is_none_or(is_over)
        {
            self.by_use.remove(&used);
            self.forget(&id);
        }
    }
}

/// Where a prompt changed, where it did.
fn place(shift: Shift) -> Option<Place> {
    match shift {
        Shift::Changed(place) | Shift::Tools(place) => Some(place),
        Shift::Grown => None,
    }
}

/// What a session is known by that its client does not name: its user, and the first that was said.
fn unnamed(user: UserId, opening: u64) -> Session {
    let mut hash = Sha256::new();
    hash.update(b"opening");
    hash.update(user.0.to_le_bytes());
    hash.update(opening.to_le_bytes());
    let mut session = Session::default();
    session.copy_from_slice(&hash.finalize()[..16]);
    session
}

/// A session's id, as it is shown.
fn shown(id: &Session) -> String {
    id[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[path = "ward_tests.rs"]
mod tests;
