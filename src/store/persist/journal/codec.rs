//! The journal's bytes: one frame per entry.
//!
//! A frame is the payload's length (u32), the CRC-32 of what follows (u32), a version byte, a tag byte, and the entry in
//! postcard. Operations and kinds are written by their stable names, so that a later order of the enums changes nothing.
//! Integers are little-endian. A head of zeros is no frame: a file is reserved before it is written.

use std::{borrow::Cow, sync::Arc};

use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

use crate::{
    base::{CredentialId, KeyId, Nanos, OrganizationId, ProviderId, RequestId, TeamId, Usage, UserId},
    protocol::{Operation, OperationKind},
    store::record::{Begun, Billed, DownstreamRow, Ended, Entry, Phases, Source, UpstreamRow, UsageRow},
};

/// The version of frames that this program writes.
const VERSION: u8 = 4;
/// Length and checksum.
pub(super) const HEAD: usize = 8;
/// The largest payload that can be real; a larger length is damage.
const LARGEST: usize = 256 << 20;

const BEGUN: u8 = 1;
const CARRIED: u8 = 2;
const ENDED: u8 = 3;
const DOWNSTREAM: u8 = 4;
const UPSTREAM: u8 = 5;
const LOSSY: u8 = 6;

/// One frame, read.
#[derive(Debug, PartialEq)]
pub(crate) enum Record {
    /// An entry.
    Entry(Entry),
    /// A call that began in an older segment and was open when that was deleted.
    Carried(Begun),
}

/// Why there is no frame here.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// The bytes end before the frame does.
    Short,
    /// Nothing was written here, or its head was not.
    Blank,
    /// The bytes are not a frame.
    Damaged,
    /// A frame of a newer program.
    Newer(u8),
}

#[derive(Serialize, Deserialize)]
struct WireBegun<'a> {
    request_id: RequestId,
    at: u64,
    user_id: UserId,
    key_id: KeyId,
    team_id: Option<TeamId>,
    organization_id: Option<OrganizationId>,
    provider_id: ProviderId,
    credential_id: Option<CredentialId>,
    #[serde(borrow)]
    operation: &'a str,
    kind: &'a str,
    model: &'a str,
}

#[derive(Serialize, Deserialize)]
struct WireEnded<'a> {
    #[serde(borrow)]
    begun: WireBegun<'a>,
    /// Of an answer's numbers few are not zero: only those are written.
    usage: Cow<'a, [(u8, u64)]>,
    source: Source,
    ended: Ended,
    status: u16,
    first_byte_us: Option<u64>,
    latency_us: u64,
    phases: Option<Phases>,
    billed: Option<(i64, &'a str)>,
}

/// An ended call that a conversion lost something of.
#[derive(Serialize, Deserialize)]
struct WireLossy<'a> {
    #[serde(borrow)]
    ended: WireEnded<'a>,
    losses: Vec<&'a str>,
}

impl<'a> WireBegun<'a> {
    fn of(begun: &'a Begun) -> Self {
        let Begun { request_id, at, user_id, key_id, team_id, organization_id, provider_id, credential_id, operation, kind, model } = begun;
        Self {
            request_id: *request_id,
            at: *at,
            user_id: *user_id,
            key_id: *key_id,
            team_id: *team_id,
            organization_id: *organization_id,
            provider_id: *provider_id,
            credential_id: *credential_id,
            operation: operation.id(),
            kind: kind.id(),
            model,
        }
    }

    fn read(self) -> Option<Begun> {
        Some(Begun {
            request_id: self.request_id,
            at: self.at,
            user_id: self.user_id,
            key_id: self.key_id,
            team_id: self.team_id,
            organization_id: self.organization_id,
            provider_id: self.provider_id,
            credential_id: self.credential_id,
            operation: Operation::parse(self.operation)?,
            kind: OperationKind::parse(self.kind)?,
            model: self.model.into(),
        })
    }
}

impl WireEnded<'_> {
    fn read(self) -> Option<UsageRow> {
        Some(UsageRow {
            begun: self.begun.read()?,
            usage: Usage::of_figures(&self.usage)?,
            source: self.source,
            ended: self.ended,
            status: self.status,
            first_byte_us: self.first_byte_us,
            latency_us: self.latency_us,
            phases: self.phases,
            billed: self.billed.map(|(cost, price)| Billed { cost: Nanos::new(cost), price: price.into() }),
            losses: Vec::new(),
        })
    }
}

impl WireLossy<'_> {
    fn read(self) -> Option<UsageRow> {
        let losses = self.losses.into_iter().map(str::to_owned).collect();
        Some(UsageRow { losses, ..self.ended.read()? })
    }
}

/// Appends an entry's frame.
pub(crate) fn write(out: &mut Vec<u8>, entry: &Entry) -> Result<(), postcard::Error> {
    match entry {
        Entry::Begun(begun) => frame(out, BEGUN, &WireBegun::of(begun)),
        Entry::Ended(row) => {
            let UsageRow { begun, usage, source, ended, status, first_byte_us, latency_us, phases, billed, losses } = row.as_ref();
            let (mut figures, mut count) = ([(0, 0); Usage::FIGURES], 0);
            for (slot, figure) in figures.iter_mut().zip(usage.figures()) {
                *slot = figure;
                count += 1;
            }
            let wire = WireEnded {
                begun: WireBegun::of(begun),
                usage: Cow::Borrowed(&figures[..count]),
                source: *source,
                ended: *ended,
                status: *status,
                first_byte_us: *first_byte_us,
                latency_us: *latency_us,
                phases: *phases,
                billed: billed.as_ref().map(|billed| (billed.cost.get(), &*billed.price)),
            };
            if losses.is_empty() {
                frame(out, ENDED, &wire)
            } else {
                frame(out, LOSSY, &WireLossy { ended: wire, losses: losses.iter().map(String::as_str).collect() })
            }
        }
        Entry::Downstream(row) => frame(out, DOWNSTREAM, row.as_ref()),
        Entry::Upstream(row) => frame(out, UPSTREAM, row.as_ref()),
    }
}

/// Appends the frame of a call that is carried on.
pub(crate) fn write_carried(out: &mut Vec<u8>, begun: &Begun) -> Result<(), postcard::Error> {
    frame(out, CARRIED, &WireBegun::of(begun))
}

/// Reads the frame at the beginning of `bytes`, and tells how long it is.
pub(crate) fn read(bytes: &[u8]) -> Result<(Record, usize), Flaw> {
    let (payload, length) = payload(bytes)?;
    // The checksum holds from here on: what cannot be read was written so.
    let (version, tag, body) = match payload {
        [version, tag, body @ ..] => (*version, *tag, body),
        [_] | [] => return Err(Flaw::Damaged),
    };
    if version != VERSION {
        return Err(Flaw::Newer(version));
    }
    let record = match tag {
        BEGUN => begun(body).map(|begun| Record::Entry(Entry::Begun(begun))),
        CARRIED => begun(body).map(Record::Carried),
        ENDED => {
            let wire: Option<WireEnded<'_>> = postcard::from_bytes(body).ok();
            wire.and_then(WireEnded::read).map(|row| Record::Entry(Entry::Ended(Arc::new(row))))
        }
        LOSSY => {
            let wire: Option<WireLossy<'_>> = postcard::from_bytes(body).ok();
            wire.and_then(WireLossy::read).map(|row| Record::Entry(Entry::Ended(Arc::new(row))))
        }
        DOWNSTREAM => postcard::from_bytes::<DownstreamRow>(body).ok().map(|row| Record::Entry(Entry::Downstream(Arc::new(row)))),
        UPSTREAM => postcard::from_bytes::<UpstreamRow>(body).ok().map(|row| Record::Entry(Entry::Upstream(Arc::new(row)))),
        _ => None,
    };
    record.map(|record| (record, length)).ok_or(Flaw::Damaged)
}

/// Where the next sound frame begins, after damage at the beginning of `bytes`; behind the byte at `last` nothing is written.
pub(crate) fn resync(bytes: &[u8], last: usize) -> Option<usize> {
    // Two known bytes are looked at before a checksum is counted over what may be megabytes of garbage.
    let plausible = |at: &usize| matches!(bytes.get(at + HEAD..at + HEAD + 2), Some([VERSION, BEGUN..=LOSSY]));
    (1..=last).filter(plausible).find(|at| read(&bytes[*at..]).is_ok())
}

fn begun(body: &[u8]) -> Option<Begun> {
    postcard::from_bytes::<WireBegun<'_>>(body).ok().and_then(WireBegun::read)
}

/// The checked payload of the frame at the beginning of `bytes`, and the frame's length.
fn payload(bytes: &[u8]) -> Result<(&[u8], usize), Flaw> {
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or(Flaw::Short)?;
    let (sum, rest) = rest.split_first_chunk::<4>().ok_or(Flaw::Short)?;
    if (*length, *sum) == ([0; 4], [0; 4]) {
        return Err(Flaw::Blank);
    }
    let length = u32::from_le_bytes(*length) as usize;
    if !(2..=LARGEST).contains(&length) {
        return Err(Flaw::Damaged);
    }
    let payload = rest.get(..length).ok_or(Flaw::Short)?;
    if crc32fast::hash(payload) == u32::from_le_bytes(*sum) { Ok((payload, HEAD + length)) } else { Err(Flaw::Damaged) }
}

/// Appends one frame, or nothing.
fn frame(out: &mut Vec<u8>, tag: u8, body: &impl Serialize) -> Result<(), postcard::Error> {
    let start = out.len();
    out.extend_from_slice(&[0; HEAD]);
    out.extend_from_slice(&[VERSION, tag]);
    let written = postcard::serialize_with_flavor(body, Appending(out)).and_then(|()| seal(out, start));
    if written.is_err() {
        out.truncate(start);
    }
    written
}

/// Fills in the head of the frame that begins at `start`.
fn seal(out: &mut [u8], start: usize) -> Result<(), postcard::Error> {
    let (head, payload) = out[start..].split_at_mut(HEAD);
    if payload.len() > LARGEST {
        return Err(postcard::Error::SerializeBufferFull);
    }
    let length = u32::try_from(payload.len()).map_err(|_| postcard::Error::SerializeBufferFull)?;
    head[..4].copy_from_slice(&length.to_le_bytes());
    head[4..].copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
    Ok(())
}

/// Serializes at the end of a buffer, piece by piece rather than byte by byte.
struct Appending<'a>(&'a mut Vec<u8>);

impl Flavor for Appending<'_> {
    type Output = ();

    fn try_extend(&mut self, data: &[u8]) -> postcard::Result<()> {
        match data {
            // Most figures of a row are zeros.
            [byte] => self.0.push(*byte),
            _ => self.0.extend_from_slice(data),
        }
        Ok(())
    }

    fn try_push(&mut self, data: u8) -> postcard::Result<()> {
        self.0.push(data);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}
