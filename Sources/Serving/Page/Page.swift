import AdapterFormat
import Foundation
import Support

/// The page at `/`. It is part of the program, loads nothing else, and sends requests to this server alone.
enum Page {
  static let reply: WholeReply = {
    let html = String(decoding: PackageResources.page_html, as: UTF8.self)
    var reply = WholeReply(html, type: "text/html; charset=utf-8")
    let policy = [
      "default-src 'none'", "script-src '\(digest(of: "script", in: html))'",
      "style-src '\(digest(of: "style", in: html))'", "connect-src 'self'", "img-src data:",
      "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
    ]
    reply.headers = [
      ("Content-Security-Policy", policy.joined(separator: "; ")), ("Referrer-Policy", "no-referrer"),
      ("Cache-Control", "no-cache"), ("Cross-Origin-Opener-Policy", "same-origin"),
    ]
    return reply
  }()

  /// The digest that the policy gives for the page's one element of this kind.
  private static func digest(of element: String, in html: String) -> String {
    guard let start = html.firstRange(of: "<\(element)>"), let end = html.firstRange(of: "</\(element)>")
    else {
      return "sha256-"
    }
    let hash = Digest.sha256(Array(html[start.upperBound..<end.lowerBound].utf8))
    return "sha256-" + Data(hash).base64EncodedString()
  }
}
