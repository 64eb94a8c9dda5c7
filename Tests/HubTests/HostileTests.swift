import Foundation
import ModelFiles
import TestSupport
import Testing
import Transfer

@testable import Hub

/// A hub that lies: each lie is an error, takes bounded memory, and writes nothing outside the cache.
@Suite struct HostileTests {
  private func tree(_ bench: HubBench) -> String { "/api/models/\(bench.fake.name)/tree/\(FakeHub.commit)" }
  private func revision(_ bench: HubBench) -> String { "/api/models/\(bench.fake.name)/revision/main" }

  private func entry(_ path: String, size: String = "5", oid: String = String(repeating: "a", count: 40))
    -> String
  {
    #"[{"type":"file","oid":"\#(oid)","size":\#(size),"path":"\#(path)"}]"#
  }

  @Test(arguments: [
    "../../../etc/passwd", "/etc/passwd", "a/../../b", "..", ".", "a//b", "a/./b", #"a\\..\\b"#, #"a\u0000b"#,
    #"a\nb"#, "", #"\u001b[2J"#,
  ])
  func pathsOutsideAreRefused(_ path: String) throws {
    let bench = try HubBench()
    bench.fake.fail(tree(bench), .body(Array(entry(path).utf8)))
    let error = try #require(try bench.error())
    #expect(error.kind == .badAnswer)
    #expect(!error.description.contains("\u{1B}"))
    #expect(bench.holdsNothing())
  }

  @Test(arguments: [
    #"[{"type":"file"}]"#, #"{"error":"x"}"#, "[1]", "[", "null", #"[{"type":"file","path":5}]"#,
    "<html></html>", "",
    #"[{"type":"file","path":"a","oid":"zz","size":1}]"#,
    #"[{"type":"file","path":"a","oid":"../../../../../../../../../../etc/passwd0","size":1}]"#,
    #"[{"type":"file","path":"a","oid":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","size":-1}]"#,
    #"[{"type":"file","path":"a","oid":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","size":9223372036854775807}]"#,
    #"[{"type":"file","path":"a","oid":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","size":1e3}]"#,
    #"[{"type":"file","path":"a","oid":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}]"#,
  ])
  func malformedListsAreRefused(_ text: String) throws {
    let bench = try HubBench()
    bench.fake.fail(tree(bench), .body(Array(text.utf8)))
    #expect(try bench.error()?.kind == .badAnswer)
    #expect(bench.holdsNothing())
  }

  @Test(arguments: [
    "{}", #"{"sha": 5}"#, #"{"sha": "../../../x"}"#, #"{"sha": "0123"}"#, "[]", "not JSON", #"{"sha": null}"#,
  ])
  func malformedRevisionsAreRefused(_ text: String) throws {
    let bench = try HubBench()
    bench.fake.fail(revision(bench), .body(Array(text.utf8)))
    #expect(try bench.error()?.kind == .badAnswer)
    #expect(bench.holdsNothing())
  }

  @Test func twoFilesOfOneNameAreRefused() throws {
    let bench = try HubBench()
    let one = entry("a.json").dropLast().dropFirst()
    bench.fake.fail(tree(bench), .body(Array("[\(one),\(one)]".utf8)))
    #expect(try bench.error()?.kind == .badAnswer)
  }

  @Test func hugeJSONIsRefused() throws {
    let bench = try HubBench()
    let filler = [UInt8](repeating: UInt8(ascii: " "), count: 9 << 20)
    bench.fake.fail(tree(bench), .body(filler))
    let error = try #require(try bench.error())
    #expect(error.kind == .badAnswer && error.found.contains("more than 8388608 bytes"))
  }

  @Test func aListWithoutEndIsRefused() throws {
    let bench = try HubBench()
    // Each page leads to itself.
    let page = "http://127.0.0.1:\(bench.fake.port)\(tree(bench))"
    for _ in 0..<3 {
      bench.fake.fail(
        tree(bench), .body(Array(entry("a.json").utf8), ["Link": "<\(page)>; rel=\"next\""]))
    }
    #expect(try bench.error()?.kind == .badAnswer)
    #expect(bench.fake.requests.count <= 4)
    // Empty pages that lead to themselves end too.
    for _ in 0..<2000 {
      bench.fake.fail(tree(bench), .body(Array("[]".utf8), ["Link": "<\(page)>; rel=\"next\""]))
    }
    bench.fake.forgetRequests()
    #expect(try bench.error()?.found.contains("1000 pages") == true)
    #expect(bench.fake.requests.count <= 1001)
  }

  @Test func aListElsewhereIsRefused() throws {
    let bench = try HubBench()
    bench.fake.fail(tree(bench), .body(Array("[]".utf8), ["Link": "<http://127.0.0.1:1/x>; rel=\"next\""]))
    #expect(try bench.error()?.found.contains("next page") == true)
  }

  @Test func bodiesWithoutEndAreCutOff() throws {
    let bench = try HubBench()
    bench.fake.putModel()
    bench.fake.fail("/cdn/tokenizer.json", .endless)
    let error = try #require(try bench.error())
    #expect(error.kind == .damaged && error.found.contains("more than the 70000 bytes"))
    for name in bench.scratch.everything where name.hasSuffix(".incomplete") {
      #expect(HubCache.size(bench.scratch.path + "/" + name) ?? 0 <= 300_000)
    }
  }

  @Test func headersWithoutEndAreCutOff() throws {
    let bench = try HubBench()
    bench.fake.fail(revision(bench), .endlessHeader)
    let error = try #require(try bench.error())
    #expect([.badAnswer, .unreachable].contains(error.kind))
  }

  @Test(arguments: ["5", "600000"])
  func lengthsThatLieAreRefused(_ size: String) throws {
    let bench = try HubBench()
    bench.fake.putModel()
    let digest = bench.fake.listed("config.json").digest
    bench.fake.fail(tree(bench), .body(Array(entry("config.json", size: size, oid: digest).utf8)))
    let plan = try bench.hub.plan(bench.name, want: .all)
    let error = #expect(throws: HubError.self) { try bench.hub.fetch(plan) }
    #expect(error?.kind == .damaged)
    #expect(!bench.scratch.everything.contains { $0.contains("/snapshots/0") })
  }

  @Test func redirectLoopsEnd() throws {
    let bench = try HubBench()
    let here = "http://127.0.0.1:\(bench.fake.port)" + revision(bench)
    for _ in 0..<40 { bench.fake.fail(revision(bench), .redirect(here)) }
    let error = try #require(try bench.error())
    #expect(error.kind == .badAnswer && error.found.contains("redirects"))
    #expect(bench.fake.requests.count == 11)
  }

  @Test(arguments: [
    "file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/x", "http://user:pw@127.0.0.1/",
    "https://\\x/",
    "data:text/plain,x", "http:/x",
  ])
  func redirectsElsewhereAreRefused(_ target: String) throws {
    let bench = try HubBench()
    bench.fake.fail(revision(bench), .redirect(target))
    let error = try #require(try bench.error())
    #expect(error.kind == .badAnswer && error.found.contains("redirect"))
  }

  @Test func redirectsFromHTTPSToHTTPAreRefused() throws {
    let settings = try HubSettings(environment: ["HF_ENDPOINT": "https://127.0.0.1:1"])
    let client = try HubClient(settings)
    let url = try #require(WebAddress("https://127.0.0.1:1/x"))
    #expect(throws: HubError.self) { try client.follow(url, "http://127.0.0.1:1/x") }
    #expect(try client.follow(url, "https://127.0.0.2/x").host == "127.0.0.2")
  }

  @Test func aWrongCommitIsRefused() throws {
    let bench = try HubBench()
    bench.fake.putModel()
    let bytes = bench.fake["config.json"]!.bytes
    bench.fake.fail(
      bench.fake.resolvePath("config.json"),
      .body(bytes, ["X-Repo-Commit": String(repeating: "9", count: 40)]))
    #expect(try bench.error()?.kind == .badAnswer)
  }

  @Test func linksInTheCacheAreNotFollowedOutOfIt() throws {
    let bench = try HubBench()
    bench.fake.putModel()
    try bench.cache.prepare(bench.name)
    let victim = bench.scratch.path + "/victim"
    try Data("precious".utf8).write(to: URL(fileURLWithPath: victim))
    let part = bench.cache.blob(bench.fake.listed("config.json").digest, of: try bench.name) + ".incomplete"
    try FileManager.default.createSymbolicLink(atPath: part, withDestinationPath: victim)
    #expect(try bench.error()?.kind == .unwritable)
    #expect(try String(contentsOfFile: victim, encoding: .utf8) == "precious")
  }

  @Test func impossibleSettingsAreRefused() throws {
    for bad in ["ftp://x", "huggingface.co", "https://a/?b", "https://u@a"] {
      #expect(throws: HubError.self, "\(bad)") { try HubSettings(environment: ["HF_ENDPOINT": bad]) }
    }
    for bad in ["hf_a\r\nX-Evil: 1", "hf a", "hf_\u{1}", "höf"] {
      #expect(throws: HubError.self) {
        try HubSettings(environment: ["HF_TOKEN": bad, "HF_HOME": "/nowhere"])
      }
    }
    let home = try HubSettings(environment: ["HF_HOME": "$BASE/${SUB}/x", "BASE": "/b", "SUB": "s"])
    #expect(home.cache == "/b/s/x/hub")
    #expect(try HubSettings(environment: ["XDG_CACHE_HOME": "/c"]).cache == "/c/huggingface/hub")
    #expect(try HubSettings(environment: ["HF_HUB_CACHE": "/d/", "HF_HOME": "/e"]).cache == "/d")
    #expect(try HubSettings(environment: ["HOME": "/h", "HF_HUB_CACHE": "~/x"]).cache == "/h/x")
    #expect(try HubSettings(environment: ["HF_HUB_OFFLINE": "yes", "HF_HOME": "/e"]).isOffline)
    #expect(try !HubSettings(environment: ["HF_HUB_OFFLINE": "0", "TRANSFORMERS_OFFLINE": "1"]).isOffline)
  }
}
