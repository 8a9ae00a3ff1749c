//! stand-in
use crate::{base::Secret, runtime::Entropy};
#[derive(Debug, Clone)]
pub struct Sealer(Secret<String>);
#[derive(Debug, thiserror::Error)]
#[error("cannot open")]
pub struct SealFault;
impl Sealer {
    pub fn new(key: Secret<String>) -> Self {
        Self(key)
    }
    pub fn seal(&self, context: &str, plain: &str, _entropy: &dyn Entropy) -> String {
        use base64::Engine;
        base64::engine::general_purpose::STANDARD.encode(format!("{}\0{context}\0{plain}", self.0.expose()))
    }
    pub fn open(&self, context: &str, text: &str) -> Result<Secret<String>, SealFault> {
        use base64::Engine;
        let b = base64::engine::general_purpose::STANDARD.decode(text).map_err(|_| SealFault)?;
        let s = String::from_utf8(b).map_err(|_| SealFault)?;
        s.strip_prefix(&format!("{}\0{context}\0", self.0.expose())).map(|p| Secret::new(p.to_owned())).ok_or(SealFault)
    }
}
