//! Why a sign-in came to nothing. The texts are for the person who signs in; addresses and what the provider wrote stay in the log.

/// Why nobody was let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignInFault {
    /// No provider is configured.
    #[error("sign-in by OpenID Connect is not set up here")]
    NotSetUp,
    /// There is no sign-in that this is the end of.
    #[error(
        "no sign-in of this browser is open under this state: it was never begun here, is over, or took too long; begin again at /login/oidc"
    )]
    Stale,
    /// The provider sent the person back without a code.
    #[error("the identity provider let nobody in: {0}")]
    Declined(String),
    /// What the provider sent cannot be believed.
    #[error("the identity provider's answer cannot be believed: {0}")]
    Rejected(#[from] Rejected),
    /// The provider knows the person; nobody of that name may come in here.
    #[error("{0}")]
    Stranger(String),
    /// The provider does not answer as it must. Why, the log says.
    #[error("the identity provider cannot be asked now, or does not know this gateway; the gateway's log says more")]
    Provider,
}

/// What is wrong with an ID token, or with what came beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// No compact JWS of two JSON objects.
    #[error("the ID token is no signed JSON Web Token")]
    Malformed,
    /// `none`, a shared secret, or something that nobody knows.
    #[error("the ID token's algorithm is none of those that a public key checks")]
    Algorithm,
    /// An extension that must be understood.
    #[error("the ID token asks for an extension that is not known here")]
    Critical,
    /// No key of the provider's has this name.
    #[error("the provider has no key by which this ID token could be checked")]
    UnknownKey,
    /// Somebody else signed it, or it was changed since.
    #[error("the ID token's signature is wrong")]
    Signature,
    /// Another issuer's.
    #[error("the answer is another issuer's")]
    Issuer,
    /// For somebody else.
    #[error("the ID token is for another client")]
    Audience,
    /// Over.
    #[error("the ID token has expired")]
    Expired,
    /// Of the future, or from before the sign-in began.
    #[error("the ID token was not made for this sign-in: its time does not fit")]
    Untimely,
    /// Of another sign-in.
    #[error("the ID token was not made for this sign-in: its nonce does not fit")]
    Nonce,
    /// It names nobody.
    #[error("the ID token names nobody")]
    Subject,
    /// The person told of beside it is another one.
    #[error("what the provider tells of the person is of another one")]
    OtherSubject,
}
