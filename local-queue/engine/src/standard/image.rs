//! The tenants of a standard queue as bytes, as far as its messages do not tell.

use super::Tenants;
use crate::codec::{Decoder, Encoder, Malformed, malformed};

impl Tenants {
    pub(crate) fn save(&self, to: &mut Encoder<'_>) {
        let mut tenants = self.by_name.iter().map(|(name, key)| (name, &self.by_key[*key])).collect::<Vec<_>>();
        tenants.sort_unstable_by_key(|(name, _)| *name);
        to.count(tenants.len());
        for (name, tenant) in tenants {
            to.text(name);
            to.flag(tenant.noisy);
            to.time(tenant.last_sent_at);
        }
    }

    /// Gives tenants back what they were, when all messages are there.
    pub(crate) fn restore(&mut self, from: &mut Decoder<'_>) -> Result<(), Malformed> {
        for _ in 0..from.count()? {
            let (name, noisy, last_sent_at) = (from.text()?, from.flag()?, from.time()?);
            let key = *self.by_name.get(name).ok_or(malformed("a tenant has no messages"))?;
            self.update(key, |tenant| {
                tenant.noisy = noisy;
                tenant.last_sent_at = last_sent_at;
            });
        }
        Ok(())
    }
}
