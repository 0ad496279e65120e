"""What an edited file says of itself: XMP with IPTC's digital source type, the program, and what was done.

Sources: IPTC Photo Metadata Standard 2023.1, "Digital Source Type", with its NewsCodes vocabulary; Adobe's XMP
specification, part 1. An edited photograph is "compositeWithTrainedAlgorithmicMedia".
"""

import re
from dataclasses import dataclass
from html import escape, unescape

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
"""IPTC's word for a photograph that a trained network has altered in part."""

_DESCRIPTION = """<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:wplus="urn:wplus:edit"
 Iptc4xmpExt:DigitalSourceType="{source}" xmp:CreatorTool="{software}" wplus:Edit="{edit}"/>"""
_PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
{description}
</rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""
_OURS = re.compile(r"<rdf:Description[^>]*wplus:Edit=\"[^\"]*\"\s*/>", re.DOTALL)


@dataclass(frozen=True)
class Mark:
    """What was done to a photograph, and by which program.

    Args:
        software: name and version.
        edit: in words, such as "smile 0.8".
    """

    software: str
    edit: str

    @property
    def text(self) -> str:
        """One line, for files that have no XMP."""
        return f"{self.edit} ({self.software}; {SOURCE_TYPE})"

    def added(self, xmp: bytes | None) -> bytes:
        """An XMP packet that says so, beside what the photograph's own packet says, if it has one.

        An earlier mark is replaced and its edit kept in front.
        """
        text = (xmp or b"").decode("utf-8", errors="replace")
        earlier = read_mark(xmp)
        done = self.edit if earlier is None else f"{earlier.edit}; {self.edit}"
        words = {"source": SOURCE_TYPE, "software": escape(self.software), "edit": escape(done)}
        description = _DESCRIPTION.format(**words)
        text = _OURS.sub("", text)
        if "</rdf:RDF>" in text:
            return text.replace("</rdf:RDF>", f"{description}\n</rdf:RDF>", 1).encode()
        return _PACKET.format(description=description).encode()


def read_mark(xmp: bytes | None) -> Mark | None:
    """The mark in an XMP packet, None where there is none."""
    found = _OURS.search((xmp or b"").decode("utf-8", errors="replace"))
    if found is None:
        return None
    values = dict(re.findall(r"([A-Za-z0-9]+:[A-Za-z]+)=\"([^\"]*)\"", found.group()))
    return Mark(unescape(values.get("xmp:CreatorTool", "")), unescape(values["wplus:Edit"]))
