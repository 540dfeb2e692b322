//! A body that is sent while it comes: no more of it is in memory than what is just passed on.

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Such a body.
#[derive(Debug)]
pub struct Streamed {
    pieces: Receiver<Bytes>,
    left: u64,
}

/// A body of `length` bytes, and where they are put in. It breaks off if that is dropped before all of them came.
pub fn streamed(length: u64) -> (Sender<Bytes>, Streamed) {
    let (sender, pieces) = channel(1);
    (sender, Streamed { pieces, left: length })
}

impl Streamed {
    /// Bytes that are still to come.
    pub(super) fn length(&self) -> u64 {
        self.left
    }
}

impl Body for Streamed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let piece = match self.pieces.poll_recv(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(piece) => piece,
        };
        let left = piece.as_ref().and_then(|piece| self.left.checked_sub(piece.len() as u64));
        let Some((piece, left)) = piece.zip(left) else {
            return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into())));
        };
        self.left = left;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    #[tokio::test]
    async fn it_is_whole_or_breaks_off() {
        let (pieces, body) = streamed(3);
        let sent = async move {
            pieces.send(Bytes::from_static(b"ab")).await.unwrap();
            pieces.send(Bytes::from_static(b"c")).await.unwrap();
        };
        let (collected, ()) = tokio::join!(body.collect(), sent);
        assert_eq!(collected.unwrap().to_bytes(), "abc");
        for (piece, length) in [("ab", 3), ("abcd", 3)] {
            let (pieces, body) = streamed(length);
            let sent = async move { pieces.send(Bytes::from_static(piece.as_bytes())).await };
            let (collected, _) = tokio::join!(body.collect(), sent);
            assert_eq!(collected.unwrap_err().kind(), io::ErrorKind::UnexpectedEof, "{piece}");
        }
    }
}
