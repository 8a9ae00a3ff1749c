//! Newtype ids, so that a user's id is never taken for a key's.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Builder;

macro_rules! row_id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        #[schemars(inline)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<i64> for $name {
            fn from(id: i64) -> Self {
                Self(id)
            }
        }

        impl From<$name> for i64 {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    )+};
}

row_id! {
    /// A row of `users`.
    UserId,
    /// A row of `user_keys`.
    KeyId,
    /// A row of `providers`.
    ProviderId,
    /// A row of `credentials`.
    CredentialId,
    /// A row of `provider_models`.
    ModelId,
    /// A row of `organizations`.
    OrganizationId,
    /// A row of `teams`.
    TeamId,
    /// A row of `routes`.
    RouteId,
    /// A row of `route_members`.
    RouteMemberId,
    /// A row of `aliases`.
    AliasId,
    /// A row of `rule_sets`.
    RuleSetId,
    /// A row of `rules`.
    RuleId,
    /// A row of `provider_rule_sets`.
    ProviderRuleSetId,
    /// A row of `permissions`.
    PermissionId,
    /// A row of `rate_limits`.
    RateLimitId,
    /// A row of `quotas`.
    QuotaId,
    /// A row of `price_rules`.
    PriceRuleId,
}

/// One call of a client, named by a UUID version 7: ids sort by the time of their making.
///
/// It is the `x-gproxy-request-id` header and the primary key of the call's usage row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline, description = "32 hexadecimal digits; hyphens are allowed.")]
pub struct RequestId(#[schemars(with = "String", regex(pattern = "^[0-9a-f]{32}$"))] [u8; 16]);

impl RequestId {
    /// Makes an id from Unix milliseconds and ten random bytes.
    #[must_use]
    pub fn new(unix_ms: u64, random: &[u8; 10]) -> Self {
        Self(*Builder::from_unix_timestamp_millis(unix_ms, random).as_uuid().as_bytes())
    }

    /// Reads the 32 hexadecimal digits that [`fmt::Display`] writes; hyphens are allowed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        uuid::Uuid::try_parse(text).ok().map(|id| Self(*id.as_bytes()))
    }

    /// Its 32 hexadecimal digits, as [`fmt::Display`] writes them.
    #[must_use]
    pub fn digits(self) -> [u8; 32] {
        let mut digits = [0; 32];
        uuid::Uuid::from_bytes(self.0).simple().encode_lower(&mut digits);
        digits
    }

    /// The id of what goes on with the same call: as old, and the next one by its first twelve random bits (`rand_a`, RFC 9562
    /// 5.7). The last ones count calls, so that their next belongs to another call.
    #[must_use]
    pub fn next(self) -> Self {
        let mut next = self.0;
        let number = (u16::from(next[6]) << 8 | u16::from(next[7])).wrapping_add(1);
        let [high, low] = number.to_be_bytes();
        next[6] = next[6] & 0xf0 | high & 0x0f;
        next[7] = low;
        Self(next)
    }

    /// The moment of its making, Unix milliseconds.
    #[must_use]
    pub fn unix_ms(self) -> u64 {
        self.0[..6].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 32];
        f.write_str(uuid::Uuid::from_bytes(self.0).simple().encode_lower(&mut text))
    }
}

#[cfg(test)]
mod tests {
    use super::RequestId;

    #[test]
    fn the_next_id_is_as_old_and_no_other_calls() {
        let id = RequestId::new(1_790_000_000_123, &[0x0f, 0xff, 1, 2, 3, 4, 5, 6, 7, 8]);
        let next = id.next();
        assert_eq!((next.unix_ms(), next == id), (id.unix_ms(), false));
        assert_eq!(RequestId::parse(&next.to_string()), Some(next));
        assert_eq!(next.digits()[12], b'7', "still of the same version");
        let counted = RequestId::new(1_790_000_000_123, &[0x0f, 0xff, 1, 2, 3, 4, 5, 6, 7, 9]);
        assert_ne!(next, counted, "the call behind it");
        assert_ne!(next.next(), id);
    }
}
