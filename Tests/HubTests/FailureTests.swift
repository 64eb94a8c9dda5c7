import Foundation
import ModelFiles
import TestSupport
import Testing
import Transfer

@testable import Hub

/// Fetching over connections that break, from a hub that fails, and without permission.
@Suite struct FailureTests {
  private static let shard = "model-00001-of-00002.safetensors"
  private static let cdn = "/cdn/" + shard

  @Test func aCutConnectionGoesOn() throws {
    let bench = try HubBench()
    bench.fake.putModel()
    bench.fake.fail(Self.cdn, .cut(after: 100_000), .cut(after: 50_000), .cut(after: 0))
    try bench.pull()
    let ranges = bench.fake.requests.filter {
      $0.port == bench.fake.cdnPort && $0.target.contains(Self.shard)
    }
    .map { $0.headers["range"] }
    #expect(ranges == [nil, "bytes=100000-", "bytes=150000-", "bytes=150000-"])
  }

  @Test func triesThatBringBytesAreNotCounted() throws {
    let bench = try HubBench()
    bench.fake.putModel()
    for _ in 0..<12 { bench.fake.fail(Self.cdn, .cut(after: 10_000)) }
    try bench.pull()
  }

  @Test func aConnectionThatAlwaysBreaksIsAnError() throws {
    let bench = try HubBench()
    bench.fake.putModel()
    bench.fake.fail(Self.cdn, .cut(after: 123_456))
    for _ in 0..<10 { bench.fake.fail(Self.cdn, .cut(after: 0)) }
    let error = try #require(try bench.error())
    #expect(error.kind == .unreachable)
    #expect(bench.holdsNothing() || !bench.scratch.everything.contains { $0.contains("snapshots/0") })
    let left = bench.cache.blob(bench.fake.listed(Self.shard).digest, of: try bench.name) + ".incomplete"
    #expect(HubCache.size(left) == 123_456)
  }

  @Test func theNextProgramGoesOn() throws {
    let bench = try HubBench()
    bench.fake.putModel()
    let part = try leave(Array(bench.fake[Self.shard]!.bytes[..<200_000]), bench)
    try bench.pull()
    let request = bench.fake.requests.first {
      $0.port == bench.fake.cdnPort && $0.target.contains(Self.shard)
    }
    #expect(request?.headers["range"] == "bytes=200000-")
    #expect(!FileManager.default.fileExists(atPath: part))
  }

  @Test func aWholeIncompleteFileNeedsNoRequest() throws {
    let bench = try HubBench()
    bench.fake.putModel()
    _ = try leave(bench.fake[Self.shard]!.bytes, bench)
    try bench.pull()
    #expect(!bench.fake.requests.contains { $0.target.contains(Self.shard) })
  }

  @Test(arguments: [200_000, 300_000, 400_000])
  func aBeginningOfAnotherFileIsDropped(_ count: Int) throws {
    let bench = try HubBench()
    bench.fake.putModel()
    _ = try leave(FakeHub.noise(count, 99), bench)
    let pulled = try bench.pull()
    let bytes = FileManager.default.contents(atPath: pulled.path + "/" + Self.shard)
    #expect(bytes.map(Array.init) == bench.fake[Self.shard]?.bytes)
  }

  @Test func aServerWithoutRangesSendsAllAgain() throws {
    let bench = try HubBench()
    bench.fake.putModel()
    bench.fake.fail(Self.cdn, .cut(after: 100_000), .noRange)
    try bench.pull()
  }

  @Test func anotherTagMakesTheBytesDoubtful() throws {
    let bench = try HubBench()
    bench.fake.putModel()
    // The same file from another server is accepted, because its digest is right.
    bench.fake.fail(Self.cdn, .cut(after: 100_000), .newTag)
    try bench.pull()
  }

  /// Leaves an unfinished file, as a program that was stopped.
  private func leave(_ bytes: [UInt8], _ bench: HubBench) throws -> String {
    try bench.cache.prepare(bench.name)
    let path = bench.cache.blob(bench.fake.listed(Self.shard).digest, of: try bench.name) + ".incomplete"
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    return path
  }

  @Test func wrongBytesNeverGetTheName() throws {
    let bench = try HubBench()
    bench.fake.putModel()
    bench.fake.fail(Self.cdn, .wrongBytes)
    let error = try #require(try bench.error())
    #expect(error.kind == .damaged && error.description.contains(Self.shard))
    #expect(
      !bench.scratch.everything.contains {
        $0.contains(bench.fake.listed(Self.shard).digest) && !$0.hasSuffix(".lock")
      })
    #expect(!bench.scratch.everything.contains { $0.contains("/snapshots/0") })
    try bench.pull()
  }

  @Test func smallFilesAreCheckedToo() throws {
    let bench = try HubBench()
    bench.fake.putModel()
    bench.fake.fail(bench.fake.resolvePath("config.json"), .wrongBytes)
    #expect(try bench.error()?.kind == .damaged)
  }

  @Test func aBusyHubIsAskedAgain() throws {
    let bench = try HubBench()
    bench.fake.putModel()
    let revision = "/api/models/\(bench.fake.name)/revision/main"
    bench.fake.fail(revision, .status(429, ["Retry-After": "1"]), .status(503), .status(500))
    bench.fake.fail(Self.cdn, .status(504), .status(408))
    let began = ContinuousClock.now
    try bench.pull()
    #expect(ContinuousClock.now - began >= .seconds(1), "Retry-After is obeyed")
  }

  @Test func aWaitThatIsTooLongIsAnError() throws {
    let bench = try HubBench()
    bench.fake.putModel()
    let revision = "/api/models/\(bench.fake.name)/revision/main"
    bench.fake.fail(revision, .status(429, ["RateLimit": "\"api\";r=0;t=120"]))
    let error = try #require(try bench.error())
    #expect(error.kind == .rateLimited && error.advice.contains("120 s") && error.advice.contains("HF_TOKEN"))
    #expect(bench.fake.requests.count == 1)
  }

  @Test func retryAfterMayBeADate() {
    var head = HTTPHead()
    head.status = 429
    #expect(HubRefusal.wait(head) == nil)
    let format = DateFormatter()
    format.locale = Locale(identifier: "en_US_POSIX")
    format.timeZone = TimeZone(identifier: "GMT")
    format.dateFormat = "EEE, dd MMM yyyy HH:mm:ss 'GMT'"
    let text = format.string(from: Date(timeIntervalSinceNow: 100))
    let wait = HubRefusal.wait(HTTPHead(status: 429, ["Retry-After": text]))
    #expect(wait.map { (90...110).contains($0) } == true)
    #expect(HubRefusal.wait(HTTPHead(status: 503, ["Retry-After": "-5"])) == 0)
    #expect(HubRefusal.wait(HTTPHead(status: 503, ["Retry-After": "soon"])) == nil)
  }

  @Test func aHubThatAlwaysFailsIsAnError() throws {
    let bench = try HubBench()
    bench.fake.error = (500, "")
    let error = try #require(try bench.error())
    #expect(error.kind == .serverFailure && bench.fake.requests.count == 4)
  }

  struct RefusedRequest: Sendable {
    let status: Int
    let code: String
    let kind: HubError.Kind
    let words: [String]
    var token: String?
  }

  @Test(arguments: [
    RefusedRequest(
      status: 403, code: "GatedRepo", kind: .forbidden, words: ["gated", "/someone/tiny", "HF_TOKEN"]),
    RefusedRequest(status: 401, code: "GatedRepo", kind: .forbidden, words: ["gated", "/settings/tokens"]),
    RefusedRequest(
      status: 403, code: "", kind: .forbidden, words: ["token in use"], token: "hf_x"),
    RefusedRequest(
      status: 401, code: "RepoNotFound", kind: .notFound, words: ["no repository someone/tiny", "private"]),
    RefusedRequest(status: 404, code: "RepoNotFound", kind: .notFound, words: ["no repository someone/tiny"]),
    RefusedRequest(status: 404, code: "RevisionNotFound", kind: .notFound, words: ["\"main\""]),
    RefusedRequest(status: 418, code: "", kind: .badAnswer, words: ["418", "HF_ENDPOINT"]),
  ])
  func refusalsSayWhatToDo(_ refusal: RefusedRequest) throws {
    let bench = try HubBench(refusal.token.map { ["HF_TOKEN": $0] } ?? [:])
    bench.fake.error = (refusal.status, refusal.code)
    let error = try #require(try bench.error())
    #expect(error.kind == refusal.kind)
    for word in refusal.words { #expect(error.description.contains(word), "\(word) in: \(error)") }
    #expect(!error.description.contains("hf_x"))
    #expect(bench.fake.requests.count == 1)
  }

  @Test func withoutAHubTheCacheIsUsed() throws {
    let bench = try HubBench()
    let hub = try bench.hub(["HF_ENDPOINT": "http://127.0.0.1:1"])
    let error = #expect(throws: HubError.self) { try hub.plan(bench.name) }
    #expect(error?.kind == .unreachable)
    // A usable copy in the cache is used, with a note.
    bench.fake.putModel()
    let path = try bench.pull().path
    try FileManager.default.removeItem(atPath: bench.scratch.path + "/hub/models--someone--tiny/.no_exist")
    #expect(bench.cache.look(for: try bench.name, want: .model) == .usable(path))
    #expect(try hub.locate(bench.name, want: .model) == path)
  }

  @Test func anotherProgramsCopyIsCompleted() throws {
    let bench = try HubBench()
    bench.fake.putModel()
    bench.fake["generation_config.json"] = .init(#"{"temperature": 0.6}"#)
    let path = try bench.pull().path
    // As if another program had fetched all but this file, without which the model answers otherwise.
    try FileManager.default.removeItem(atPath: path + "/generation_config.json")
    #expect(try bench.hub.locate(bench.name, want: .model) == path)
    #expect(FileManager.default.fileExists(atPath: path + "/generation_config.json"))
  }

  @Test func aStopKeepsWhatIsThere() throws {
    let bench = try HubBench(pacing: Pacing(attempts: 4, firstDelay: 0.01, longestDelay: 0.02))
    bench.fake.putModel()
    // Part of the shard arrives; then the hub asks for a pause longer than any test.
    bench.fake.fail(Self.cdn, .cut(after: 100_000), .status(503, ["Retry-After": "60"]))
    Thread.detachNewThread { [hub = bench.hub, fake = bench.fake] in
      while fake.requests.count(where: { $0.port == fake.cdnPort && $0.target.contains(Self.shard) }) < 2 {
        usleep(1000)
      }
      hub.cancel()
    }
    let error = try #require(try bench.error())
    #expect(error.kind == .cancelled)
    let left = bench.cache.blob(bench.fake.listed(Self.shard).digest, of: try bench.name) + ".incomplete"
    #expect(HubCache.size(left) == 100_000)
  }

  @Test func tooLittleRoomIsAnErrorBeforeAnythingIsFetched() throws {
    let bench = try HubBench()
    bench.fake.putModel()
    let api = "/api/models/\(bench.fake.name)/tree/\(FakeHub.commit)"
    let digest = String(repeating: "b", count: 64)
    let list = #"""
      [{"type":"file","oid":"\#(String(repeating: "a", count: 40))","size":5,"path":"config.json"},
       {"type":"file","oid":"\#(String(repeating: "a", count: 40))","size":30000000000000,
        "lfs":{"oid":"\#(digest)","size":30000000000000},"path":"model.safetensors"}]
      """#
    bench.fake.fail(api, .body(Array(list.utf8)))
    let error = try #require(try bench.error())
    #expect(
      error.kind == .unwritable && error.description.contains("30.0 TB") && error.advice.contains("HF_HOME"))
    #expect(bench.holdsNothing())
    #expect(!bench.fake.requests.contains { $0.target.contains("resolve") })
  }
}

extension HTTPHead {
  init(status: Int, _ fields: [String: String]) {
    self.init(status: status, fields: fields.map { ($0.key.lowercased(), $0.value) })
  }
}
