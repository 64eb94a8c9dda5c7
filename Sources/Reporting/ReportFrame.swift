import Support

/// The frame of a report: one HTML page that needs no other file.
package struct ReportFrame: Sendable {
  /// The page's title, as plain text.
  package let title: String
  /// Style rules besides the common ones.
  package let style: String

  package init(title: String, style: String = "") {
    self.title = title
    self.style = style
  }

  /// The page around a body that is HTML already.
  package func page(_ body: String) -> String {
    """
    <!doctype html>
    <html lang="en"><head><meta charset="utf-8">
    <meta name="viewport" content="width=device-width,initial-scale=1"><meta name="color-scheme" content="light dark">
    <title>\(htmlEscaped(title))</title><style>\(Self.commonStyle)\(style)</style></head><body>
    \(body)
    </body></html>

    """
  }

  /// What scrolls sideways has a shade at its right edge until its end is in sight.
  private static let commonStyle = """
    :root{--ink:#1b1b1f;--soft:#5c5c66;--paper:#fff;--tint:#f5f5f7;--line:#dcdce2;
    --s0:#3056d3;--s1:#c2410c;--s2:#2b8a3e;
    --s3:#9c36b5;--s4:#0b7285;--s5:#a61e4d;--good:#17692f;--bad:#a11;--unsure:#8a5a00}
    @media(prefers-color-scheme:dark){:root{--ink:#ececf0;--soft:#a5a5b0;--paper:#151517;--tint:#212125;--line:#3a3a42;
    --s0:#8ea8ff;--s1:#ff9a62;--s2:#6fd58a;--s3:#dda0f0;--s4:#6fd0e4;--s5:#ff8fb8;--good:#6fd58a;--bad:#ff8a7a;
    --unsure:#f2b84b}}
    body{font:15px/1.5 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em;color:var(--ink);
    background:var(--paper)}
    h1{line-height:1.25;overflow-wrap:anywhere}
    pre{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--tint);padding:.6em;border-radius:4px}
    .lead{color:var(--soft);overflow-wrap:anywhere}
    .scroll{overflow-x:auto;background:
    linear-gradient(90deg,transparent,var(--paper) 75%) right/3em 100% no-repeat local,
    linear-gradient(270deg,var(--line),transparent) right/1.2em 100% no-repeat scroll}
    .plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(22em,100%),1fr));gap:1.2em;margin:1.5em 0}
    svg{width:100%;box-sizing:border-box;background:var(--tint);border:1px solid var(--line);border-radius:4px}
    svg text{font:12px system-ui,sans-serif;fill:var(--ink)}svg .title{font-weight:600}svg .soft{fill:var(--soft)}
    .grid{stroke:var(--line)}.axis{stroke:var(--soft)}.mark{stroke:var(--bad);stroke-dasharray:4 3}
    .stroke{fill:none;stroke-width:2}.wide{stroke-width:3}.behind{stroke:var(--soft);stroke-width:1;opacity:.45}
    .band{opacity:.15}
    \(colours)

    """

  /// What draws the series in their colours.
  private static let colours = (0..<6).map {
    ".series\($0){stroke:var(--s\($0))}.series\($0).fill{fill:var(--s\($0));stroke:none}"
  }
  .joined(separator: "\n")
}
