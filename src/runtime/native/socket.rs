//! WebSockets, to upstreams and from clients.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, Request, Uri, Version, header};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Utf8Bytes,
        handshake::{client::generate_key, derive_accept_key},
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

use crate::runtime::{BodyFault, BoxFuture, Message, Socket, TransportFault, UpstreamRequest};

/// The largest message, in bytes.
const MESSAGE: usize = 32 << 20;

/// A WebSocket over any stream.
struct Stream<T>(WebSocketStream<T>);

impl<T> std::fmt::Debug for Stream<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stream")
    }
}

fn limits() -> WebSocketConfig {
    WebSocketConfig::default().max_message_size(Some(MESSAGE)).max_frame_size(Some(MESSAGE))
}

/// Shakes hands with an upstream over an open connection.
pub(super) async fn dial<T>(io: T, request: UpstreamRequest) -> Result<Box<dyn Socket>, TransportFault>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let authority = request.uri.authority().map_or("", |authority| authority.as_str()).to_owned();
    let mut parts = request.uri.into_parts();
    let scheme = if parts.scheme.as_ref().is_some_and(|scheme| scheme.as_str() == "https") { "wss" } else { "ws" };
    parts.scheme = scheme.parse().ok();
    let uri = Uri::from_parts(parts).map_err(|error| TransportFault::Unusable(error.to_string()))?;
    let mut handshake = Request::new(());
    *handshake.uri_mut() = uri;
    *handshake.version_mut() = Version::HTTP_11;
    let headers = handshake.headers_mut();
    *headers = request.headers;
    let text = |text: &str| HeaderValue::from_str(text).map_err(|error| TransportFault::Unusable(error.to_string()));
    headers.insert(header::HOST, text(&authority)?);
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    headers.insert(header::SEC_WEBSOCKET_KEY, text(&generate_key())?);
    #[expect(clippy::disallowed_methods, reason = "the native runtime may use its own timers")]
    let shaken =
        tokio::time::timeout(request.timers.head, tokio_tungstenite::client_async_with_config(handshake, io, Some(limits()))).await;
    match shaken.map_err(|_| TransportFault::Timeout("handshake"))? {
        Ok((stream, _)) => Ok(Box::new(Stream(stream))),
        Err(tungstenite::Error::Http(response)) => {
            let (parts, body) = response.into_parts();
            Err(TransportFault::Refused { status: parts.status, body: Bytes::from(body.unwrap_or_default()) })
        }
        Err(error) => Err(TransportFault::Broken(error.into())),
    }
}

/// Takes over a client's connection after the 101 was sent.
pub async fn accepted<T>(io: T) -> Box<dyn Socket>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    Box::new(Stream(WebSocketStream::from_raw_socket(io, Role::Server, Some(limits())).await))
}

/// What `sec-websocket-accept` must say to a client's key.
#[must_use]
pub fn accept_key(key: &[u8]) -> String {
    derive_accept_key(key)
}

fn broken(error: tungstenite::Error) -> BodyFault {
    BodyFault::Broken(error.into())
}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for Stream<T> {
    fn receive(&mut self) -> BoxFuture<'_, Option<Result<Message, BodyFault>>> {
        Box::pin(async {
            loop {
                return Some(match self.0.next().await? {
                    Ok(tungstenite::Message::Text(text)) => Ok(Message::Text(text.into())),
                    Ok(tungstenite::Message::Binary(bytes)) => Ok(Message::Binary(bytes)),
                    Ok(tungstenite::Message::Close(frame)) => {
                        let (code, reason) =
                            frame.map_or((1005, String::new()), |frame| (frame.code.into(), frame.reason.as_str().to_owned()));
                        Ok(Message::Close(code, reason))
                    }
                    Ok(tungstenite::Message::Ping(_) | tungstenite::Message::Pong(_) | tungstenite::Message::Frame(_)) => continue,
                    Err(error) => Err(broken(error)),
                });
            }
        })
    }

    fn send(&mut self, message: Message) -> BoxFuture<'_, Result<(), BodyFault>> {
        Box::pin(async {
            let message = match message {
                Message::Text(text) => match Utf8Bytes::try_from(text.clone()) {
                    Ok(text) => tungstenite::Message::Text(text),
                    Err(_) => tungstenite::Message::Binary(text),
                },
                Message::Binary(bytes) => tungstenite::Message::Binary(bytes),
                Message::Close(code, reason) => {
                    // 1005 and 1006 stand for "no code was sent" and must not be sent.
                    let frame = (code != 1005 && code != 1006).then(|| CloseFrame { code: CloseCode::from(code), reason: reason.into() });
                    tungstenite::Message::Close(frame)
                }
            };
            self.0.send(message).await.map_err(broken)
        })
    }
}
