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
    <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
    <title>\(htmlEscaped(title))</title><style>\(Self.commonStyle)\(style)</style></head><body>
    \(body)
    </body></html>

    """
  }

  private static let commonStyle = """
    body{font:15px/1.5 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em;color:#1b1b1f;background:#fff}
    pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f5f5f7;padding:.6em;border-radius:4px}
    .lead{color:#555}
    .plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(20em,1fr));gap:1.5em;margin:1.5em 0}
    svg{width:100%;background:#fafafa;border:1px solid #eee;border-radius:4px}
    svg text{font:12px system-ui,sans-serif;fill:#333}

    """
}
