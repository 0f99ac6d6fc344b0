//! Results: NLSML as MRCPv1's clients expect it.
//!
//! RFC 4463 refers to the W3C's draft of NLSML, which has no namespace and writes confidence as a whole number from 0
//! to 100; RFC 6787 gave it a namespace and writes 0.0 to 1.0.

use bytes::Bytes;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, Writer};
use serde::{Deserialize, Serialize};

use crate::wire::mrcp::v1::translate::percent;

/// How confidences are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// A whole number from 0 to 100, as NLSML of MRCPv1 has it.
    #[default]
    Percent,
    /// A number from 0.0 to 1.0, as NLSML of MRCPv2 has it.
    Fraction,
}

/// Namespace of MRCPv2's NLSML.
const NAMESPACE: &str = "urn:ietf:params:xml:ns:mrcpv2";

/// MRCPv2's NLSML as MRCPv1 has it. What can't be read as XML is left as it is.
pub(super) fn from_v2(body: &Bytes, scale: Scale) -> Bytes {
    rewrite(body, scale).map_or_else(|| body.clone(), Bytes::from)
}

fn rewrite(body: &[u8], scale: Scale) -> Option<Vec<u8>> {
    let mut reader = Reader::from_str(std::str::from_utf8(body).ok()?);
    let mut writer = Writer::new(Vec::with_capacity(body.len()));
    loop {
        let event = reader.read_event().ok()?;
        let event = match event {
            Event::Eof => return Some(writer.into_inner()),
            Event::Start(start) => Event::Start(element(start, scale)?),
            Event::Empty(start) => Event::Empty(element(start, scale)?),
            other => other,
        };
        writer.write_event(event).ok()?;
    }
}

fn element<'a>(start: BytesStart<'a>, scale: Scale) -> Option<BytesStart<'a>> {
    if !matches!(start.name().as_ref(), "result" | "interpretation" | "input") {
        return Some(start);
    }
    let mut changed = start.clone();
    changed.clear_attributes();
    for attribute in start.attributes() {
        let attribute = attribute.ok()?;
        match attribute.key.as_ref() {
            "xmlns" if attribute.value.as_ref() == NAMESPACE => {}
            "confidence" if scale == Scale::Percent => {
                let value = percent(&attribute.value).unwrap_or_else(|| attribute.value.clone().into_owned());
                changed.push_attribute(("confidence", value.as_str()));
            }
            _ => changed.push_attribute(attribute),
        }
    }
    Some(changed.into_owned())
}
