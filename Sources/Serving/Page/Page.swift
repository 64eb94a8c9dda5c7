import AdapterFormat
import Foundation
import Support

/// The page at `/`. It is part of the program, loads nothing else, and sends requests to this server alone.
enum Page {
  static let reply: WholeReply = {
    let style = [PackageResources.page_css, PackageResources.text_css].map(text).joined()
    // One script: each part may use what stands before it.
    let script =
      "\"use strict\";\n"
      + [
        PackageResources.tex_names_js, PackageResources.tex_js, PackageResources.tex_macros_js,
        PackageResources.markdown_js, PackageResources.dom_js, PackageResources.server_js,
        PackageResources.answer_js, PackageResources.column_js, PackageResources.page_js,
      ].map(text).joined()
    let html = text(PackageResources.page_html)
      .replacing("<style></style>", with: "<style>\(style)</style>")
      .replacing("<script></script>", with: "<script>\(script)</script>")
    var reply = WholeReply(html, type: "text/html; charset=utf-8")
    // The digests let the browser run these two elements and no others.
    let policy = [
      "default-src 'none'", "script-src '\(digest(of: script))'", "style-src '\(digest(of: style))'",
      "connect-src 'self'", "img-src data:", "base-uri 'none'", "form-action 'none'",
      "frame-ancestors 'none'",
    ]
    reply.headers = [
      ("Content-Security-Policy", policy.joined(separator: "; ")), ("Referrer-Policy", "no-referrer"),
      ("Cache-Control", "no-cache"), ("Cross-Origin-Opener-Policy", "same-origin"),
    ]
    return reply
  }()

  private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

  /// What the policy calls an element of this text.
  private static func digest(of element: String) -> String {
    "sha256-" + Data(Digest.sha256(Array(element.utf8))).base64EncodedString()
  }
}
