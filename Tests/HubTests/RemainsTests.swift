import Foundation
import ModelFiles
import ModelFiles
import TestSupport
import Testing

@testable import Hub

/// What is there of something that was not fetched to its end, and how it goes.
@Suite struct RemainsTests {
  private func bench() throws -> HubBench {
    let bench = try HubBench()
    bench.fake.putModel()
    return bench
  }

  private func refusal(_ body: () throws -> Void) throws -> HubError {
    do { try body() } catch { return try #require(error as? HubError) }
    Issue.record("no error")
    return HubError(.badName, found: "", expected: "")
  }

  @Test func halfASnapshotIsToldAsThat() throws {
    let bench = try bench()
    let pulled = try bench.pull()
    let shard = "model-00002-of-00002.safetensors"
    // A link without its blob, as another program leaves it.
    let link = try FileManager.default.destinationOfSymbolicLink(atPath: pulled.path + "/" + shard)
    try FileManager.default.removeItem(atPath: pulled.path + "/" + link)
    let offline = try bench.hub(["HF_HUB_OFFLINE": "1"])
    let error = try refusal { _ = try offline.locate(bench.name, want: .model) }
    #expect(error.found.contains("a part of it") && error.found.contains(shard), "\(error)")
    #expect(error.advice.contains("tina pull someone/tiny"), "\(error)")
    #expect(bench.cache.contents().first?.gap?.contains(shard) == true)
    let gap = try #require(HubCache.gap(at: pulled.path, want: .model))
    #expect(gap.found.contains("half a snapshot") && gap.advice.contains("tina pull someone/tiny"), "\(gap)")
    // The next pull mends it.
    try bench.pull()
    #expect(bench.cache.contents().first?.gap == nil && HubCache.gap(at: pulled.path, want: .model) == nil)
  }

  @Test(arguments: ["config.json", "model.safetensors.index.json"])
  func aMissingFileIsNamed(_ name: String) throws {
    let bench = try bench()
    let pulled = try bench.pull()
    try FileManager.default.removeItem(atPath: pulled.path + "/" + name)
    let offline = try bench.hub(["HF_HUB_OFFLINE": "1"])
    let error = try refusal { _ = try offline.locate(bench.name, want: .model) }
    #expect(error.found.contains("missing "), "\(error)")
  }

  @Test func anInterruptedPullIsListed() throws {
    let bench = try bench()
    let root = bench.scratch.path + "/hub/models--someone--tiny"
    bench.scratch.makeFolder("hub/models--someone--tiny/blobs")
    bench.scratch.write("hub/models--someone--tiny/blobs/abc.incomplete", "12345")
    let content = try #require(bench.cache.contents().first)
    #expect(
      content.name == "someone/tiny" && content.gap?.contains("interrupted") == true && content.path == root)
    let offline = try bench.hub(["HF_HUB_OFFLINE": "1"])
    let error = try refusal { _ = try offline.locate(bench.name, want: .model) }
    #expect(error.found.contains("5 bytes of unfinished files") || error.found.contains("5 B"), "\(error)")
  }

  @Test func aRepositoryIsRemoved() throws {
    let bench = try bench()
    try bench.pull()
    let trial = try bench.cache.remove(bench.name, isTrial: true)
    #expect(trial > 0 && bench.cache.contents().count == 1)
    #expect(try bench.cache.remove(bench.name) == trial)
    #expect(bench.cache.contents().isEmpty)
    #expect(!bench.scratch.everything.contains { $0.contains("someone") || $0.hasSuffix(".tmp") })
    let again = try refusal { _ = try bench.cache.remove(bench.name) }
    #expect(again.kind == .notFound)
  }

  @Test func whatIsBeingFetchedStays() throws {
    let bench = try bench()
    try bench.pull()
    let path = try bench.cache.lock("abc", of: bench.name)
    let file = unsafe open(path, O_RDWR | O_CREAT, 0o666)
    #expect(flock(file, LOCK_EX) == 0)
    #expect(unsafe write(file, "4711 tina\n", 10) == 10)
    let error = try refusal { _ = try bench.cache.remove(bench.name) }
    #expect(error.kind == .busy && error.found.contains("process 4711, tina"), "\(error)")
    close(file)
    #expect(try bench.cache.remove(bench.name) > 0)
  }

  /// A folder that a killed pull left is removed by the next one.
  @Test func leftoversOfKilledPullsGo() throws {
    let bench = try bench()
    bench.scratch.makeFolder("hub/models--someone--tiny/.\(FakeHub.commit).99999.tmp/x")
    try bench.pull()
    #expect(!bench.scratch.everything.contains { $0.contains(".tmp") }, "\(bench.scratch.everything)")
  }
}
