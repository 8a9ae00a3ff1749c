//! Tells the service manager which process serves, where it wants to know (`sd_notify`).

use std::{os::unix::net::UnixDatagram, path::Path};

/// Says that this process serves, and that it is the one to look after.
pub(in crate::http::native) fn say_ready(socket: &Path) {
    let word = format!("MAINPID={}\nREADY=1\n", std::process::id());
    let said = UnixDatagram::unbound().and_then(|ours| ours.send_to(word.as_bytes(), socket));
    if let Err(error) = said {
        tracing::warn!(%error, socket = %socket.display(), "the service manager cannot be told that this process serves");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_manager_is_told_which_process_serves() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        say_ready(&path);
        let mut word = [0; 64];
        let count = manager.recv(&mut word).unwrap();
        assert_eq!(String::from_utf8_lossy(&word[..count]), format!("MAINPID={}\nREADY=1\n", std::process::id()));
    }
}
