//! gzip, for messages: small, many, and never larger than agreed.

use std::cell::RefCell;
use std::io::{BufRead, Read};

use flate2::bufread::MultiGzDecoder;
use flate2::{Compress, Compression, Crc, FlushCompress, Status as Progress};
use tonic::Status;

/// No name, no time, unknown system (RFC 1952, section 2.3).
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

thread_local! {
    /// A compressor's tables are large and tiny messages many: one per thread is kept.
    static COMPRESSOR: RefCell<Compress> = RefCell::new(Compress::new(Compression::fast(), false));
}

/// Compresses a message.
///
/// # Errors
/// INTERNAL if the compressor fails, which it has no reason to.
pub(super) fn pack(message: &[u8]) -> Result<Vec<u8>, Status> {
    // Deflate grows what cannot be compressed by 5 bytes in 16 KiB at most.
    let mut out = Vec::with_capacity(HEADER.len() + message.len() + message.len() / 1024 + 64);
    out.extend_from_slice(&HEADER);
    COMPRESSOR.with_borrow_mut(|compressor| {
        compressor.reset();
        loop {
            let read = usize::try_from(compressor.total_in()).unwrap_or(usize::MAX);
            let rest = message.get(read..).unwrap_or_default();
            match compressor.compress_vec(rest, &mut out, FlushCompress::Finish) {
                Ok(Progress::StreamEnd) => return Ok(()),
                Ok(_) => out.reserve(1024),
                Err(error) => return Err(Status::internal(format!("compress: {error}"))),
            }
        }
    })?;
    let mut crc = Crc::new();
    crc.update(message);
    out.extend_from_slice(&crc.sum().to_le_bytes());
    out.extend_from_slice(&crc.amount().to_le_bytes());
    Ok(out)
}

/// Decompresses a message of at most `limit` bytes.
///
/// # Errors
/// INVALID_ARGUMENT for what is not gzip, RESOURCE_EXHAUSTED for what is larger than `limit`.
pub(super) fn unpack(packed: &[u8], limit: usize) -> Result<Vec<u8>, Status> {
    let mut out = Vec::new();
    let cap = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    read_capped(MultiGzDecoder::new(packed), cap, &mut out)?;
    if out.len() > limit {
        let message = format!("decompressed message is larger than the limit of {limit} bytes");
        return Err(Status::resource_exhausted(message));
    }
    Ok(out)
}

fn read_capped<R: BufRead>(decoder: MultiGzDecoder<R>, cap: u64, out: &mut Vec<u8>) -> Result<(), Status> {
    let read = decoder.take(cap).read_to_end(out);
    read.map(|_| ()).map_err(|error| Status::invalid_argument(format!("get decompressor: gzip: {error}")))
}
