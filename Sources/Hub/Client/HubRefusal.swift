import Foundation
import ModelFiles
import Support
import Transfer

/// Explains an answer of the hub that is no success, and says what to do.
struct HubRefusal {
  let head: HTTPHead
  let name: HubName
  let place: String
  let settings: HubSettings

  private var page: String {
    settings.endpointText + "/" + (name.kind == .dataset ? "datasets/" : "") + name.repository
  }
  private var tokenAdvice: String {
    settings.token == nil
      ? "Make a token at \(settings.endpointText)/settings/tokens and set HF_TOKEN to it"
      : "Check that the token in use (HF_TOKEN, or the token file) may read it"
  }

  var error: HubError {
    let code = head["x-error-code"] ?? ""
    let message = head["x-error-message"].map { " (" + printable($0, limit: 200) + ")" } ?? ""
    switch (head.status, code) {
    case (_, "GatedRepo"), (403, _):
      return HubError(
        .forbidden, file: place, found: "\(head.status), access refused\(message)",
        expected: "access to the files",
        advice: "Ask for access at \(page), if it is a gated repository. \(tokenAdvice).")
    case (_, "RevisionNotFound"):
      return HubError(
        .notFound, file: place, found: "no revision \(quoted(name.wantedRevision)) in \(name.repository)",
        expected: "a branch, tag or commit", advice: "See \(page)/refs.")
    case (_, "EntryNotFound"):
      return HubError(
        .notFound, file: place, found: "no such file or folder in \(name.repository)",
        expected: "one that is there",
        advice: "See \(page)/tree/\(name.wantedRevision).")
    case (401, let code) where code != "RepoNotFound" && message.contains("Invalid credentials"):
      return HubError(
        .forbidden, file: place, found: "401, the token is not valid", expected: "a valid token, or none",
        advice: "Renew HF_TOKEN or the token file, or unset it for public repositories.")
    case (401, _), (404, _):
      return HubError(
        .notFound, file: place,
        found: "no repository \(name.repository) at \(settings.endpointText), or a private one",
        expected: "a repository that can be read",
        advice:
          "Check the name. If it is private: \(tokenAdvice.prefix(1).lowercased())\(tokenAdvice.dropFirst())."
      )
    case (429, _):
      let wait = Self.wait(head).map { "wait \(Int($0.rounded(.up))) s" } ?? "wait a while"
      return HubError(
        .rateLimited, file: place, found: "429, too many requests\(message)", expected: "patience",
        advice: "Then give the same command again: \(wait)."
          + (settings.token == nil ? " With a token (HF_TOKEN) the hub allows more." : ""))
    case (500..., _):
      return HubError(
        .serverFailure, file: place, found: "\(head.status) from the server\(message)", expected: "an answer",
        advice: "Try again later.")
    default:
      return HubError(
        .badAnswer, file: place, found: "status \(head.status)\(message)", expected: "the hub's answer",
        advice: "Check HF_ENDPOINT, and whether a proxy stands between.")
    }
  }

  /// Seconds that the server asks to wait: `Retry-After` in seconds or as a date, or the hub's `RateLimit`.
  static func wait(_ head: HTTPHead) -> Double? {
    if let seconds = head.retryAfter { return seconds }
    // RateLimit: "api";r=0;t=55
    if head.status == 429, let text = head["ratelimit"] {
      for part in text.split(separator: ";") {
        let pair = part.split(separator: "=").map { String($0).trimmingASCIIBlanks() }
        if pair.count == 2, pair[0] == "t", let seconds = Double(pair[1]), seconds.isFinite {
          return max(seconds, 0)
        }
      }
    }
    return nil
  }
}
