import Foundation
import ModelFiles
import Support
import Transfer

/// How often a client tries again, and how long it waits.
struct Pacing: Sendable {
  /// How many tries in a row may bring nothing.
  var attempts = 5
  /// Seconds before the second try; twice as many before each further one.
  var firstDelay = 1.0
  var longestDelay = 16.0
  /// The longest wait in seconds that a server may ask for.
  var longestWait = 300.0
}

/// Sends requests to the hub, tries again after failures, and follows redirects to the servers that hold the files.
/// One thread uses it.
final class HubClient {
  let settings: HubSettings
  private let pacing: Pacing
  private let stop: StopFlag
  private let connection: HubConnection
  /// Whether any server has answered: until then a refused connection means that there is none.
  private var wasAnswered = false
  /// Called before a wait of two seconds or more.
  var onWait: (String) -> Void = { _ in }

  private static let redirectLimit = 10

  init(_ settings: HubSettings, pacing: Pacing = Pacing(), stop: StopFlag = StopFlag()) throws(HubError) {
    self.settings = settings
    self.pacing = pacing
    self.stop = stop
    connection = try HubConnection(settings) { stop.isSet }
  }

  /// Where an answer came from.
  struct Answer {
    /// The last header.
    let head: HTTPHead
    /// The first header, which is the hub's own: its fields tell commit, size and digest of a file.
    let hubHead: HTTPHead
    /// How the transfer broke off; nil if it is whole.
    let failure: HubConnection.Failure?
  }

  /// Sends one GET and follows redirects; the token goes to the hub's own address and nowhere else.
  ///
  /// - Parameters:
  ///   - headers: sent to every server on the way.
  ///   - consumer: gets header and body of a 2xx answer; other bodies are not read.
  func exchange(
    _ url: WebAddress, headers: [String] = [], _ consumer: HubConnection.Consumer
  ) throws(HubError) -> Answer {
    var url = url
    var hubHead: HTTPHead?
    for _ in 0...Self.redirectLimit {
      var headers = headers
      if let token = settings.token, url.origin == settings.endpoint.origin {
        headers.append("Authorization: Bearer " + token)
      }
      let (head, failure) = try once(url, headers, consumer)
      if hubHead == nil || url.origin == settings.endpoint.origin { hubHead = head }
      guard failure == nil, head.isRedirect, let location = head["location"] else {
        return Answer(head: head, hubHead: hubHead ?? head, failure: failure)
      }
      url = try follow(url, location)
    }
    throw HubError(
      .badAnswer, file: url.text, found: "more than \(Self.redirectLimit) redirects", expected: "an answer")
  }

  private static let enough = HubError(.badAnswer, found: "", expected: "")

  private func once(
    _ url: WebAddress, _ headers: [String], _ consumer: HubConnection.Consumer
  ) throws(HubError) -> (HTTPHead, HubConnection.Failure?) {
    var answer = HTTPHead()
    var isWanted = false
    let filter = HubConnection.Consumer(
      head: { (head) throws(HubError) in
        answer = head
        isWanted = (200..<300).contains(head.status)
        if isWanted { try consumer.head(head) }
      },
      body: { (bytes) throws(HubError) in
        guard isWanted else { throw Self.enough }
        try consumer.body(bytes)
      })
    do throws(HubError) {
      let (head, failure) = try connection.get(url, headers: headers, filter)
      if failure == nil { wasAnswered = true }
      return (head, failure)
    } catch {
      // The body of a redirect or an error is not read.
      if error == Self.enough { return (answer, nil) }
      throw error
    }
  }

  func follow(_ url: WebAddress, _ location: String) throws(HubError) -> WebAddress {
    guard let target = url.resolving(location), target.isSecure || !settings.endpoint.isSecure else {
      throw HubError(
        .badAnswer, file: url.text, found: "a redirect to " + quoted(location),
        expected: settings.endpoint.isSecure ? "an https address" : "an http or https address")
    }
    return target
  }

  /// What came of one try.
  enum Attempt<Result> {
    case done(Result)
    /// `made`: whether the try brought bytes, which resets the count of failures.
    case again(HubError, after: Double?, made: Bool)
  }

  /// Repeats `body` with growing pauses, until it is done or the tries are used up.
  func patiently<Result>(
    _ body: () throws(HubError) -> Attempt<Result>
  ) throws(HubError) -> Result {
    var failures = 0
    while true {
      switch try body() {
      case .done(let result): return result
      case .again(let error, let after, let made):
        failures = made ? 1 : failures + 1
        if failures >= pacing.attempts { throw error }
        let backOff = min(pacing.firstDelay * Double(1 << min(failures - 1, 20)), pacing.longestDelay)
        let delay = after ?? backOff
        if delay > pacing.longestWait { throw error }
        if delay >= 2 {
          onWait("\(error.file): \(error.found); trying again in \(Int(delay.rounded(.up))) s")
        }
        try pause(delay)
      }
    }
  }

  private func pause(_ seconds: Double) throws(HubError) {
    let end = ContinuousClock.now + .seconds(seconds)
    while ContinuousClock.now < end {
      if stop.isSet { throw HubConnection.cancelled }
      Thread.sleep(forTimeInterval: min(0.1, seconds))
    }
  }

  /// Decides whether a failed exchange is tried again or is an error for good.
  func judge<Result>(
    _ answer: Answer, place: String, name: HubName, made: Bool = false
  ) throws(HubError) -> Attempt<Result> {
    if let failure = answer.failure {
      let (text, isFinal) = explain(failure)
      let error = HubError(
        .unreachable, file: place, found: text, expected: "an answer from \(settings.endpointText)",
        advice: "Check the network; what is fetched already is kept, and the same command goes on from there."
      )
      if isFinal { throw error }
      return .again(error, after: nil, made: made)
    }
    let head = answer.head
    let error = HubRefusal(head: head, name: name, place: place, settings: settings).error
    switch head.status {
    case 408, 429, 500, 502, 503, 504:
      return .again(error, after: HubRefusal.wait(head), made: made)
    default: throw error
    }
  }

  private func explain(_ failure: HubConnection.Failure) -> (text: String, isFinal: Bool) {
    switch failure {
    case .noHost(let text): ("no way to the server (\(text))", true)
    case .noConnection(let text): ("no connection (\(text))", !wasAnswered)
    case .broken(let text): ("a broken connection (\(text))", false)
    case .untrusted(let text): ("no trusted connection (\(text))", true)
    case .failed(let text): (text, true)
    }
  }

  /// Gets a JSON text of bounded size.
  func json(
    _ url: WebAddress, place: String, name: HubName, limit: Int = 8 << 20
  ) throws(HubError) -> (bytes: [UInt8], head: HTTPHead) {
    try patiently { () throws(HubError) -> Attempt<([UInt8], HTTPHead)> in
      var bytes: [UInt8] = []
      let consumer = HubConnection.Consumer(
        head: { (_) throws(HubError) in bytes = [] },
        body: { (part) throws(HubError) in
          guard bytes.count + part.byteCount <= limit else {
            throw HubError(
              .badAnswer, file: url.text, found: "more than \(limit) bytes", expected: "a list in JSON")
          }
          unsafe part.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
        })
      let answer = try exchange(url, consumer)
      guard answer.failure == nil, answer.head.status == 200 else {
        return try judge(answer, place: place, name: name)
      }
      return .done((bytes, answer.head))
    }
  }
}
