//! What happened on the walk: written as it goes, read only at the end.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue};
use tracing::{Level, error, info};

use super::{
    Outbound,
    capture::Half,
    classify::Classified,
    diagnose::Shown,
    engine::Engine,
    error::GatewayError,
    hold::Hold,
    idempotent::Outcome,
    inbound::Inbound,
    laps::{self, Laps},
    resolve::Resolved,
    target::Target,
};
use crate::{
    access::Caller,
    base::{Bucket, CredentialId, RequestId, Usage},
    billing::{self, Lookup, PriceBook},
    credentials::Taken,
    health::Trouble,
    observe::CallLabels,
    protocol::{Family, OperationKey, catalog::CatalogRow, fault::FaultKind},
    route::{MemberState, Underway},
    runtime::Instant,
    snapshot::{Capture, Provider, Snapshot},
    store::record::{Begun, Billed, DownstreamRow, Ended, Entry, Source, UsageRow},
    transform::Loss,
};

/// The most losses of one call that are put on record.
const LOSSES: usize = 64;

/// A fact about the walk.
#[derive(Debug)]
pub(super) enum Fact<'a> {
    Row(&'static CatalogRow),
    Request(&'a Classified),
    Caller(&'a Caller),
    Asked(&'a Resolved),
    /// Whom the call goes to next.
    Target(&'a Target),
    /// The same target is asked once more, with its credential renewed.
    Again,
    /// With which credential, and its place in the pool.
    Credential(CredentialId, Taken),
    /// The target of now gave no answer, through its own fault.
    Missed,
    /// Its answer broke off after it had begun.
    BrokeOff,
    /// Somebody wants to know how the call ends.
    Watched(Arc<Outcome>),
    /// An earlier call answers this one.
    Repeats(OperationKey),
    /// What is reserved for the call.
    Held(Hold),
    /// The call waited so long before somebody was asked.
    Waited(Duration),
    /// The request is ready to leave for the upstream.
    Sent(Instant),
    /// The call is on record as begun.
    Begun(Begun),
    /// The upstream answers; opening its connection took so long.
    Headed(Duration),
    /// What of it the prompt-cache doctor is shown.
    Shown(Box<Shown>),
    /// The status and headers that the client gets.
    Head(u16, &'a HeaderMap),
    /// A piece of the answer's body is here.
    Byte,
    /// What a conversion could not carry, more than before.
    Losses(&'a [Loss]),
}

/// What a call used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted<'a> {
    pub(super) usage: Usage,
    /// Who says so.
    pub(super) source: Source,
    /// The service tier that the upstream reported.
    pub(super) tier: Option<&'a str>,
}

impl Counted<'_> {
    /// Nothing.
    pub(super) fn nothing() -> Self {
        Self { usage: Usage::default(), source: Source::None, tier: None }
    }
}

/// The record of one walk. Write-only until it is closed.
#[derive(Debug)]
pub(super) struct Trail {
    engine: Engine,
    request_id: RequestId,
    at_ms: u64,
    arrived: Instant,
    laps: Laps,
    method: String,
    path: String,
    query: Option<String>,
    row: Option<&'static CatalogRow>,
    key: Option<OperationKey>,
    caller: Option<Caller>,
    prices: Arc<PriceBook>,
    hold: Option<Hold>,
    outcome: Option<Arc<Outcome>>,
    /// The route's member that the call went to, counted as under way until the walk ends.
    member: Option<(Underway, Arc<MemberState>)>,
    provider: Option<Arc<Provider>>,
    /// The credential of now, and its place in the pool.
    credential: Option<(CredentialId, Taken)>,
    attempts: u32,
    /// How often somebody else was asked to go on with an answer that broke off.
    rescues: u32,
    /// How many parts of a session have rows of their own.
    parts: u32,
    /// What the journal has of the call, until its end is written too.
    open: Option<Begun>,
    model: Option<Arc<str>>,
    status: u16,
    losses: Vec<String>,
    /// What the prompt-cache doctor is shown of the try of now.
    shown: Option<Box<Shown>>,
    request_half: Option<Half>,
    response_half: Option<Half>,
}

impl Trail {
    /// Begins with what is known on arrival.
    pub(super) fn begin(engine: &Engine, inbound: &Inbound, snapshot: &Snapshot) -> Self {
        let depth = snapshot.settings().downstream;
        Self {
            engine: engine.clone(),
            request_id: inbound.request_id,
            at_ms: inbound.at_ms,
            arrived: inbound.arrived,
            laps: Laps::begin(inbound.arrived),
            method: if depth == Capture::Off { String::new() } else { inbound.method.to_string() },
            path: inbound.uri.path().to_owned(),
            query: None,
            row: None,
            key: None,
            caller: None,
            prices: Arc::clone(snapshot.prices()),
            hold: None,
            outcome: None,
            member: None,
            provider: None,
            credential: None,
            attempts: 0,
            rescues: 0,
            parts: 0,
            open: None,
            model: None,
            status: 0,
            losses: Vec::new(),
            shown: None,
            request_half: (depth != Capture::Off).then(|| Half::new(depth, &inbound.headers)),
            response_half: (depth != Capture::Off).then(|| Half::new(depth, &HeaderMap::new())),
        }
    }

    /// Writes a fact down.
    pub(super) fn note(&mut self, fact: Fact<'_>) {
        match fact {
            Fact::Row(row) => self.row = Some(row),
            Fact::Request(call) => self.query.clone_from(&call.query),
            Fact::Caller(caller) => {
                self.caller = Some(caller.clone());
                self.laps.known(self.now());
            }
            Fact::Asked(call) => {
                self.key = Some(call.key);
                if let (Some(half), Some(document)) = (&mut self.request_half, call.content.json()) {
                    half.push(document.body());
                }
            }
            Fact::Target(target) => {
                self.attempts = self.attempts.saturating_add(1);
                self.credential = None;
                self.provider = Some(Arc::clone(&target.provider));
                self.model = Some(Arc::clone(&target.model));
                self.member = target.member.as_ref().map(|member| (member.begin(), Arc::clone(member)));
            }
            Fact::Again => self.attempts = self.attempts.saturating_add(1),
            Fact::Credential(id, taken) => self.credential = Some((id, taken)),
            Fact::BrokeOff => self.blame(),
            Fact::Missed => {
                if let Some((_underway, state)) = self.member.take() {
                    state.observe(None);
                }
            }
            Fact::Watched(outcome) => self.outcome = Some(outcome),
            Fact::Repeats(key) => self.key = Some(key),
            Fact::Held(hold) => self.hold = Some(hold),
            Fact::Waited(span) => self.laps.waited(span),
            Fact::Sent(at) => {
                self.laps.ready(at);
                // What the first try took is no cost of ours.
                if self.attempts <= 1 {
                    self.engine.metrics.overhead(at.since(self.arrived));
                }
            }
            Fact::Begun(begun) => {
                self.open = Some(begun);
                self.laps.journaled(self.now());
            }
            Fact::Headed(connecting) => self.laps.headed(self.now(), connecting),
            Fact::Shown(shown) => self.shown = Some(shown),
            Fact::Head(status, headers) => {
                self.status = status;
                if let Some(half) = &mut self.response_half {
                    *half = Half::new(half.depth(), headers);
                }
            }
            Fact::Byte => self.laps.piece(self.now()),
            Fact::Losses(more) => {
                let room = LOSSES.saturating_sub(self.losses.len());
                self.losses.extend(more.iter().take(room).map(|loss| format!("{} {}", loss.path, loss.kind.id())));
            }
        }
    }

    /// Keeps a piece of the answer, where the operator asked for it.
    pub(super) fn keep(&mut self, data: &bytes::Bytes) {
        if let Some(half) = &mut self.response_half {
            half.push(data);
        }
    }

    /// The call as it leaves for the upstream; `None` where nothing is metered.
    pub(super) fn begun(&self) -> Option<Begun> {
        let caller = self.caller.as_ref()?;
        let provider = self.provider.as_ref()?;
        let key = self.key?;
        self.row.filter(|row| row.metered())?;
        Some(Begun {
            request_id: self.row_id(),
            at: self.at_ms,
            user_id: caller.user(),
            key_id: caller.key(),
            team_id: caller.team(),
            organization_id: caller.organization(),
            provider_id: provider.id,
            credential_id: self.credential(),
            operation: key.operation(),
            kind: key.kind(),
            model: Arc::clone(self.model.as_ref()?),
        })
    }

    fn now(&self) -> Instant {
        self.engine.platform.clock.now()
    }

    /// The phases that are over when the head leaves for the client.
    pub(super) fn server_timing(&self) -> HeaderValue {
        self.laps.server_timing(self.now())
    }

    /// Whether anything of the answer came.
    pub(super) fn has_begun(&self) -> bool {
        self.laps.first().is_some()
    }

    /// Whether the journal waits for the call's end.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// The call's row, where the journal waits for its end. It is made where it stays: journal and writer share it.
    pub(super) fn end(&mut self, status: u16, ended: Ended, counted: &Counted<'_>) -> Option<Arc<UsageRow>> {
        let Counted { usage, source, tier } = *counted;
        let begun = self.open.take()?;
        let now = self.now();
        let (first_byte_us, latency_us) = (self.laps.first().map(micros), micros(now.since(self.arrived)));
        let phases = Some(self.laps.phases(now));
        if let Some((_, taken)) = &self.credential {
            taken.used(self.at_ms.saturating_add(latency_us / 1000), usage.total());
        }
        let billed = self.bill(&usage, tier);
        if let Some(hold) = self.hold.take() {
            let at_ms = self.at_ms.saturating_add(latency_us / 1000);
            hold.settle(at_ms, usage.total(), billed.as_ref().map(|billed| billed.cost));
        }
        if let Some(shown) = self.shown.take() {
            shown.settle(&self.engine, (&begun, ended), (counted, self.entry()));
        }
        let losses = self.losses.clone();
        Some(Arc::new(UsageRow { begun, usage, source, ended, status, first_byte_us, latency_us, phases, billed, losses }))
    }

    /// The provider of now has broken off: its row is written, and the next one has a row of its own.
    pub(super) fn hand_over(&mut self, status: u16, counted: &Counted<'_>) {
        if let Some(row) = self.end(status, Ended::Rescued, counted) {
            self.record(row);
        }
        self.rescues += 1;
        tracing::warn!(
            request_id = %self.request_id,
            provider = self.provider.as_ref().map(|provider| &*provider.name),
            model = self.model.as_deref(),
            row = %self.row_id(),
            "a stream broke off; somebody else is asked to go on with it"
        );
    }

    /// A part of a session is over: its row is written, and the next one has a row of its own.
    pub(super) fn part(&mut self, status: u16, counted: &Counted<'_>) {
        if let Some(row) = self.end(status, Ended::Complete, counted) {
            self.record(row);
            self.parts += 1;
        }
    }

    /// The id of the row of now: the call's own, and those behind it for the parts of a session and for who goes on with an answer.
    pub(super) fn row_id(&self) -> RequestId {
        (0..self.rescues + self.parts).fold(self.request_id, |id, _| id.next())
    }

    fn record(&self, row: Arc<UsageRow>) {
        for bucket in Bucket::ALL {
            self.engine.metrics.tokens(bucket, row.usage.bucket(bucket));
        }
        self.write(&Entry::Ended(row));
    }

    /// What the call cost.
    fn bill(&self, usage: &Usage, tier: Option<&str>) -> Option<Billed> {
        let (cost, price) = self.entry()?.bill(usage, tier).ok()?;
        Some(Billed { cost, price })
    }

    /// The price of the model of now, where it has one.
    fn entry(&self) -> Option<&billing::Entry> {
        let (provider, model) = (self.provider.as_ref()?, self.model.as_ref()?);
        match self.prices.find(provider.id, provider.vendor, model) {
            Lookup::Priced(entry) => Some(entry),
            Lookup::Unpriced => None,
        }
    }

    pub(super) fn request_id(&self) -> RequestId {
        self.request_id
    }

    pub(super) fn credential(&self) -> Option<CredentialId> {
        self.credential.as_ref().map(|(id, _)| *id)
    }

    /// What breaks off after its beginning is nobody else's turn, but others are asked before it next time.
    fn blame(&self) {
        let (Some(provider), Some(model)) = (&self.provider, &self.model) else { return };
        let credential = self.credential().and_then(|id| provider.credentials.iter().find(|credential| credential.id == id));
        let now_ms = self.engine.platform.clock.unix_ms();
        self.engine.health.fail(provider.account(credential), model, &Trouble::Transient, now_ms);
    }

    /// The provider and the model of now.
    pub(super) fn target(&self) -> Option<(&str, &str)> {
        Some((&self.provider.as_ref()?.name, self.model.as_deref()?))
    }

    /// How many times somebody was asked so far.
    pub(super) fn attempts(&self) -> u32 {
        self.attempts
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Ends the walk with a refusal.
    pub(super) fn refuse(mut self: Box<Self>, error: GatewayError, family: Family) -> Outbound {
        let kind = error.kind;
        if matches!(kind, FaultKind::Internal | FaultKind::Upstream | FaultKind::UpstreamTimeout) {
            let cause = error.source.as_ref().map(ToString::to_string);
            tracing::warn!(request_id = %self.request_id, kind = kind.id(), error = %error, cause, "call failed");
        }
        self.status = kind.status();
        // Sent and without an answer: nothing was used, but the journal has its beginning.
        let row = self.end(self.status, Ended::Failed, &Counted::nothing());
        self.close(row, Some(kind));
        Outbound::Refused(Box::new(error), family)
    }

    /// Ends the walk: the usage row into the journal, one line into the log, the counts up.
    pub(super) fn close(mut self: Box<Self>, usage: Option<Arc<UsageRow>>, refused: Option<FaultKind>) {
        let duration = match &usage {
            Some(row) => Duration::from_micros(row.latency_us),
            None => self.now().since(self.arrived),
        };
        if let Some((_underway, state)) = self.member.take() {
            // A client's own mistake says nothing of the member.
            let failed = self.status >= 500 || self.status == 429;
            let head = self.laps.first().unwrap_or(duration);
            if failed || self.status < 400 {
                state.observe((!failed).then(|| micros(head)));
            }
        }
        if let Some(outcome) = &self.outcome {
            outcome.end(usage.as_ref().map_or(refused.map_or(Ended::Complete, |_| Ended::Failed), |row| row.ended));
        }
        if let Some(row) = usage {
            row.phases.iter().for_each(|phases| laps::trace(self.request_id, phases));
            self.record(row);
        }
        let labels = CallLabels {
            operation: self.key.map_or("", |key| key.operation().id()),
            kind: self.key.map_or("", |key| key.kind().id()),
            provider: self.provider.as_ref().map_or_else(|| Arc::from(""), |provider| Arc::clone(&provider.name)),
            status: self.status,
        };
        self.engine.metrics.call(&labels, duration);
        if let (Some(request), Some(response)) = (self.request_half.take(), self.response_half.take()) {
            let row = self.downstream_row(request, response);
            self.write(&Entry::Downstream(Arc::new(row)));
        }
        if tracing::enabled!(Level::INFO) {
            let outcome = refused.map_or("answered", FaultKind::id);
            info!(
                request_id = %self.request_id,
                path = self.path,
                operation = labels.operation,
                provider = &*labels.provider,
                model = self.model.as_deref().unwrap_or_default(),
                status = self.status,
                outcome,
                attempts = self.attempts,
                rescues = self.rescues,
                losses = self.losses.len(),
                user = self.caller.as_ref().map(|caller| caller.user().0),
                ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX),
                "request"
            );
        }
    }

    fn downstream_row(&self, request: Half, response: Half) -> DownstreamRow {
        let request_headers_json = request.headers_json.clone();
        let response_headers_json = response.headers_json.clone();
        DownstreamRow {
            request_id: self.request_id,
            at: self.at_ms,
            user_id: self.caller.as_ref().map(Caller::user),
            key_id: self.caller.as_ref().map(Caller::key),
            method: self.method.clone(),
            path: self.path.clone(),
            query: self.query.clone(),
            request_headers_json,
            request_body: request.body(),
            status: self.status,
            response_headers_json,
            response_body: response.body(),
        }
    }

    /// Writes an entry into the journal. What cannot be written is in the log, whole.
    pub(super) fn write(&self, entry: &Entry) {
        if let Err(fault) = self.engine.journal.append(entry) {
            self.engine.metrics.lost_records.inc();
            match entry {
                Entry::Ended(row) => error!(%fault, row = ?row, "a usage row could not be kept"),
                Entry::Begun(_) | Entry::Downstream(_) | Entry::Upstream(_) => error!(%fault, "a record could not be kept"),
            }
        }
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

impl Drop for Trail {
    fn drop(&mut self) {
        // The client has gone before there was an answer. Its provider was asked, so the call ends on record; nothing came of
        // it that anybody could be asked to pay for.
        if let Some(row) = self.end(0, Ended::Interrupted, &Counted::nothing()) {
            self.write(&Entry::Ended(row));
        }
    }
}
