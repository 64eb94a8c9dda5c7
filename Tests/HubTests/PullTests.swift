import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import Hub

/// Fetching from a hub that behaves.
@Suite struct PullTests {
  @Test func aModelIsFetchedWholeAndFoundInTheCache() throws {
    let bench = try HubBench()
    bench.fake.putModel()
    let pulled = try bench.pull()
    #expect(pulled.commit == FakeHub.commit)
    #expect(
      pulled.files.map(\.path) == [
        "README.md", "config.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
        "model.safetensors.index.json", "tokenizer.json", "tokenizer_config.json",
      ])
    #expect(pulled.skipped.map(\.path) == [".gitattributes", "pytorch_model.bin"])
    for file in pulled.files {
      let bytes = FileManager.default.contents(atPath: pulled.path + "/" + file.path)
      #expect(bytes.map(Array.init) == bench.fake[file.path]?.bytes, "\(file.path)")
      #expect(!file.wasCached)
    }
    // The layout of Hugging Face's programs.
    let root = bench.scratch.path + "/hub/models--someone--tiny"
    #expect(pulled.path == root + "/snapshots/" + FakeHub.commit)
    let link = try FileManager.default.destinationOfSymbolicLink(atPath: pulled.path + "/config.json")
    #expect(link == "../../blobs/" + bench.fake.listed("config.json").digest)
    #expect(try String(contentsOfFile: root + "/refs/main", encoding: .utf8) == FakeHub.commit)
    #expect(FileManager.default.fileExists(atPath: bench.scratch.path + "/hub/CACHEDIR.TAG"))
    // The cache notes which files the repository lacks.
    #expect(
      FileManager.default.fileExists(atPath: root + "/.no_exist/\(FakeHub.commit)/generation_config.json"))
    #expect(!bench.scratch.everything.contains { $0.hasSuffix(".incomplete") || $0.hasSuffix(".tmp") })

    bench.fake.forgetRequests()
    #expect(try bench.hub.locate(bench.name, want: .model) == pulled.path)
    #expect(bench.fake.requests.isEmpty, "the cache answers alone")
    let again = try bench.pull()
    #expect(again.files.count(where: \.wasCached) == again.files.count)
    #expect(!bench.fake.requests.contains { $0.target.contains("resolve") }, "nothing is fetched twice")
  }

  @Test func theTokenStaysWithTheHub() throws {
    let bench = try HubBench(["HF_TOKEN": " hf_secret\n"])
    bench.fake.token = "hf_secret"
    bench.fake.putModel()
    try bench.pull()
    let (hub, cdn) = (bench.fake.port, bench.fake.cdnPort)
    #expect(bench.fake.requests.contains { $0.port == cdn })
    for request in bench.fake.requests {
      #expect(request.headers["authorization"] == (request.port == hub ? "Bearer hf_secret" : nil))
      #expect(request.headers["user-agent"]?.hasPrefix("tina/") == true)
    }
  }

  @Test func theTokenFileIsRead() throws {
    let bench = try HubBench()
    try Data("hf_filed\n".utf8).write(to: URL(fileURLWithPath: bench.scratch.path + "/token"))
    bench.fake.token = "hf_filed"
    bench.fake.putModel()
    _ = try bench.hub([:]).fetch(bench.hub([:]).plan(bench.name))
    #expect(throws: HubError.self) {
      try bench.hub(["HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"]).plan(bench.name)
    }
  }

  @Test func aCheckpointBringsTheNameOfItsBase() throws {
    let bench = try HubBench()
    bench.fake.putAdapter("checkpoint-50")
    bench.fake.putAdapter("checkpoint-100", base: "/home/me/base")
    let pulled = try bench.pull("someone/tiny/checkpoint-50")
    #expect(
      pulled.files.map(\.path) == [
        "checkpoint-50/README.md", "checkpoint-50/adapter_config.json",
        "checkpoint-50/adapter_model.safetensors",
      ])
    #expect(pulled.path.hasSuffix("/snapshots/\(FakeHub.commit)/checkpoint-50"))
    #expect(pulled.baseName == "someone/base")
    #expect(try bench.pull("someone/tiny/checkpoint-100").baseName == "/home/me/base")
    // Without a checkpoint's name the error lists the checkpoints.
    let error = try #require(try bench.error())
    #expect(error.kind == .nothingWanted)
    #expect(error.description.contains("checkpoint-50, checkpoint-100"))
    // A link of a folder inside the snapshot leads one level further up.
    let link = try FileManager.default.destinationOfSymbolicLink(atPath: pulled.path + "/adapter_config.json")
    #expect(link.hasPrefix("../../../blobs/"))
  }

  @Test func filesAreFoundByTheirNames() throws {
    let bench = try HubBench()
    bench.fake["tiny-Q4_0.gguf"] = .init(FakeHub.noise(5000, 1), isLarge: true)
    bench.fake["tiny-Q8_0.gguf"] = .init(FakeHub.noise(9000, 2), isLarge: true)
    let error = try #require(try bench.error())
    #expect(error.description.contains("tiny-Q4_0.gguf (5.0 kB), tiny-Q8_0.gguf (9.0 kB)"))
    let pulled = try bench.pull("someone/tiny/tiny-Q8_0.gguf")
    #expect(pulled.path.hasSuffix("/tiny-Q8_0.gguf"))
    #expect(pulled.files.count == 1)
    bench.fake.forgetRequests()
    #expect(try bench.hub.locate(HubName("someone/tiny/tiny-Q8_0.gguf"), want: .model) == pulled.path)
    #expect(bench.fake.requests.isEmpty)
    let absent = try #require(try bench.error("someone/tiny/tiny-Q2_K.gguf"))
    #expect(absent.kind == .notFound && absent.description.contains("tiny-Q4_0.gguf"))
  }

  @Test func revisionsAreKeptApart() throws {
    let bench = try HubBench()
    bench.fake.putModel()
    try bench.pull("someone/tiny@refs/pr/1")
    let root = bench.scratch.path + "/hub/models--someone--tiny/refs/"
    #expect(try String(contentsOfFile: root + "refs/pr/1", encoding: .utf8) == FakeHub.commit)
    #expect(!FileManager.default.fileExists(atPath: root + "main"))
    // For a whole commit hash the hub is not asked.
    bench.fake.forgetRequests()
    try bench.pull("someone/tiny@" + FakeHub.commit)
    #expect(!bench.fake.requests.contains { $0.target.contains("/revision/") })
    let error = try #require(try bench.error("someone/tiny@nowhere"))
    #expect(error.kind == .notFound && error.found.contains("nowhere"))
  }

  @Test func picklesComeOnlyWhenAskedFor() throws {
    let bench = try HubBench()
    bench.fake["config.json"] = .init("{}")
    bench.fake["pytorch_model.bin"] = .init(FakeHub.noise(100, 1), isLarge: true)
    let error = try #require(try bench.error())
    #expect(error.kind == .nothingWanted && error.description.contains("pickle"))
    let some = try bench.hub.fetch(bench.hub.plan(bench.name, include: ["*.bin"]))
    #expect(some.files.map(\.path) == ["pytorch_model.bin"])
    let all = try bench.hub.fetch(bench.hub.plan(bench.name, want: .all))
    #expect(all.files.map(\.path) == ["config.json", "pytorch_model.bin"])
    let less = try bench.hub.plan(bench.name, want: .all, exclude: ["*.BIN", "*.bin"])
    #expect(less.files.map(\.path) == ["config.json"])
  }

  @Test func aTokenizerComesWithoutTheWeights() throws {
    let bench = try HubBench()
    bench.fake.putModel()
    let path = try bench.hub.locate(bench.name, want: .description)
    #expect(FileManager.default.fileExists(atPath: path + "/tokenizer.json"))
    #expect(!FileManager.default.fileExists(atPath: path + "/model-00001-of-00002.safetensors"))
    // That is no whole model yet; the files that are there are not fetched again.
    #expect(bench.cache.look(for: try bench.name, want: .model) == .nothing)
    bench.fake.forgetRequests()
    #expect(try bench.hub.locate(bench.name, want: .model) == path)
    #expect(FileManager.default.fileExists(atPath: path + "/model-00001-of-00002.safetensors"))
    #expect(!bench.fake.requests.contains { $0.target.contains("tokenizer.json") })
    #expect(bench.cache.look(for: try bench.name, want: .model) == .whole(path))
  }

  @Test func longListsComeInPages() throws {
    let bench = try HubBench()
    bench.fake.putModel()
    for i in 0..<30 { bench.fake["step-\(i).json"] = .init("{\"step\": \(i)}") }
    bench.fake.pageSize = 7
    #expect(try bench.pull().files.count == 37)
    #expect(bench.fake.requests.count { $0.target.contains("/tree/") } == 6)
  }

  @Test func equalFilesAreFetchedOnce() throws {
    let bench = try HubBench()
    bench.fake.putModel()
    bench.fake["a.json"] = .init("{\"same\": 1}")
    bench.fake["b.json"] = .init("{\"same\": 1}")
    let pulled = try bench.pull()
    #expect(bench.fake.requests.count { $0.target.hasSuffix("a.json") || $0.target.hasSuffix("b.json") } == 1)
    #expect(FileManager.default.fileExists(atPath: pulled.path + "/b.json"))
  }

  @Test func digestsAreThoseOfGitAndSHA256() {
    // From FIPS 180-4, and from `echo hello | git hash-object --stdin`.
    #expect(
      FakeHub.File(Array("abc".utf8), isLarge: true).listed("a").digest
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(FakeHub.File("hello\n").listed("a").digest == "ce013625030ba8dba906f756967f9e9ca394464a")
  }

  @Test func pathsInTheCacheNameTheirRepository() {
    #expect(HubCache.repository(of: "/x/hub/models--a--b/snapshots/0123") == "a/b")
    #expect(HubCache.repository(of: "/x/hub/models--a--b/snapshots/0123/checkpoint-5") == "a/b")
    #expect(HubCache.repository(of: "/x/hub/models--gpt2/snapshots/0123") == "gpt2")
    for path in ["/snapshots/x", "/x/snapshots/y", "/models--a--b", "/x/spaces--a--b/snapshots/0", ""] {
      #expect(HubCache.repository(of: path) == nil)
    }
  }

  @Test func emptyFilesAreFiles() throws {
    let bench = try HubBench()
    bench.fake.putModel()
    bench.fake["merges.txt"] = .init("")
    let pulled = try bench.pull()
    #expect(HubCache.size(pulled.path + "/merges.txt") == 0)
    // Git's name of an empty file.
    #expect(bench.fake.listed("merges.txt").digest == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391")
  }

  @Test func withoutLinksTheSnapshotHoldsTheFiles() throws {
    let bench = try HubBench(["HF_HUB_DISABLE_SYMLINKS": "1"])
    bench.fake.putModel()
    let pulled = try bench.pull()
    #expect(throws: (any Error).self) {
      try FileManager.default.destinationOfSymbolicLink(atPath: pulled.path + "/config.json")
    }
    #expect(HubCache.size(pulled.path + "/config.json") == bench.fake["config.json"]?.bytes.count)
    bench.fake.forgetRequests()
    try bench.pull()
    #expect(!bench.fake.requests.contains { $0.target.contains("resolve") })
  }

  @Test func offlineTheHubIsNotAsked() throws {
    let bench = try HubBench()
    bench.fake.putModel()
    let offline = try bench.hub(["HF_HUB_OFFLINE": "1"])
    let error = #expect(throws: HubError.self) { try offline.locate(bench.name, want: .model) }
    #expect(error?.kind == .offline && error?.description.contains("HF_HUB_OFFLINE") == true)
    #expect(throws: HubError.self) { try offline.plan(bench.name) }
    #expect(bench.fake.requests.isEmpty)
    let path = try bench.pull().path
    bench.fake.forgetRequests()
    #expect(try offline.locate(bench.name, want: .model) == path)
    #expect(bench.fake.requests.isEmpty)
  }

  @Test func contentsAreListed() throws {
    let bench = try HubBench()
    bench.fake.putAdapter("checkpoint-50")
    #expect(bench.cache.contents().isEmpty)
    let pulled = try bench.pull("someone/tiny/checkpoint-50")
    let contents = try #require(bench.cache.contents().first)
    #expect(contents.name == "someone/tiny" && contents.revisions == ["main"] && contents.fileCount == 3)
    #expect(contents.byteCount == pulled.byteCount)
  }

  @Test func twoAtOnceFetchEachFileOnce() async throws {
    let bench = try HubBench()
    bench.fake.putModel()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<4 {
        let hub = try bench.hub([:])
        let name = try bench.name
        group.addTask { _ = try hub.fetch(hub.plan(name)) }
      }
      try await group.waitForAll()
    }
    #expect(bench.fake.requests.count { $0.port == bench.fake.cdnPort } == 3)
    #expect(bench.cache.look(for: try bench.name, want: .model) != .nothing)
  }
}
