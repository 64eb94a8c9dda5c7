import Foundation
import TestSupport
import Testing

/// Models and adapters named as on the hub, from a cache as Hugging Face's programs lay it out, offline.
@Suite(.needsPico)
struct HubNamesTests {
  private static let commit = "0123456789abcdef0123456789abcdef01234567"
  private let home: TemporaryFolder

  /// A cache that holds Pico as `someone/pico`, and its adapter as `someone/lora/checkpoint-50`.
  init() throws {
    home = TemporaryFolder()
    try put("someone/pico", from: pico, into: "")
    try put("someone/lora", from: picoAdapter, into: "/checkpoint-50")
    let config = home.path(
      "hub/models--someone--lora/snapshots/\(Self.commit)/checkpoint-50/adapter_config.json")
    var text = try String(contentsOfFile: config, encoding: .utf8)
    let name = try #require(text.firstRange(of: #""base_model_name_or_path":"#))
    let end = try #require(text[name.upperBound...].firstIndex(of: ","))
    text.replaceSubrange(name.upperBound..<end, with: #" "someone/pico""#)
    try FileManager.default.removeItem(atPath: config)
    try Data(text.utf8).write(to: URL(fileURLWithPath: config))
  }

  private func put(_ name: String, from source: String, into folder: String) throws {
    let root = home.path("hub/models--" + name.replacingOccurrences(of: "/", with: "--"))
    let snapshot = root + "/snapshots/" + Self.commit
    for path in [root + "/refs", snapshot + folder] {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    try Data(Self.commit.utf8).write(to: URL(fileURLWithPath: root + "/refs/main"))
    for file in try FileManager.default.contentsOfDirectory(atPath: source) where file.contains(".") {
      try FileManager.default.createSymbolicLink(
        atPath: snapshot + folder + "/" + file, withDestinationPath: source + "/" + file)
    }
  }

  private func run(_ arguments: [String], input: String = "", in folder: String? = nil) throws
    -> Program.Result
  {
    try Program.run(arguments, input: input, in: folder, environment: ["HF_HOME": home.path])
  }

  private static let prompt = "What is 12 + 3 * 4?"

  @Test func aNameAnswersAsItsFolderDoes() throws {
    let options = ["--greedy", "--json", "--max-tokens", "24", "--threads", "1", Self.prompt]
    let local = try run(["run", pico, "--adapter", picoAdapter] + options).object()
    let named = try run(["run", "someone/pico", "--adapter", "someone/lora/checkpoint-50"] + options)
    #expect(named.status == 0, "\(named.errors)")
    #expect(try named.object()["text"] as? String == local["text"] as? String)
    // The adapter names its base.
    let alone = try run(["run", "--adapter", "someone/lora/checkpoint-50@main"] + options)
    #expect(alone.status == 0, "\(alone.errors)")
    #expect(try alone.object()["text"] as? String == local["text"] as? String)
    #expect(alone.errors.contains("base: someone/pico"))
    // A number after @ is a factor, as with paths.
    let scaled = try run(["run", "someone/pico", "--adapter", "someone/lora/checkpoint-50@0.5"] + options)
    #expect(try scaled.object()["adapter_scale"] as? Double == 0.5)
  }

  @Test(arguments: [
    ["verify", "someone/lora/checkpoint-50"],
    ["inspect", "someone/lora/checkpoint-50", "--base", "someone/pico"],
    ["diff", "someone/lora/checkpoint-50", picoAdapter],
    ["convert", "someone/lora/checkpoint-50", "out.tina", "--base", "someone/pico"],
    ["merge", "someone/pico", "someone/lora/checkpoint-50", "merged", "--dtype", "f32", "--threads", "1"],
    ["bench", "someone/pico", "--make-adapter", "made"],
  ])
  func everyCommandTakesNames(_ arguments: [String]) throws {
    let scratch = TemporaryFolder()
    let result = try run(arguments, in: scratch.path)
    #expect(result.status == 0, "\(result.errors)")
  }

  @Test func linesTakeNames() throws {
    let text = #"{"text": "1 + 1"}"#
    let result = try run(["tokenize", "someone/pico", "-"], input: text)
    #expect(try result.object()["ids"] is [Int], "\(result.errors)")
    let pair = #"{"prompt": "1 + 1 =", "completion": " 2"}"#
    let score = try run(
      ["score", "someone/pico", "-", "--adapter", "someone/lora/checkpoint-50"], input: pair)
    #expect(try score.object()["logprobs"] is [Double], "\(score.errors)")
  }

  @Test func aPathOnThisMachineWins() throws {
    let scratch = TemporaryFolder()
    scratch.makeFolder("someone/pico")
    let result = try run(["tokenize", "someone/pico", "-"], input: "{}", in: scratch.path)
    #expect(result.status == 1 && result.errors.contains("someone/pico/tokenizer.json"), "\(result.errors)")
  }

  @Test func whatIsNowhereIsTold() throws {
    let result = try run(["run", "someone/else", "hello"])
    #expect(result.status == 1)
    for word in ["no file or folder here", "cache", "HF_HUB_OFFLINE"] {
      #expect(result.errors.contains(word))
    }
    let adapter = try run(["verify", "someone/lora"])
    #expect(adapter.status == 1 && adapter.errors.contains("someone/lora"))
  }

  @Test func theCacheIsTold() throws {
    let list = try run(["pull", "--list"])
    #expect(list.status == 0 && list.output.contains("someone/pico") && list.output.contains("main"))
    let objects = try run(["pull", "--list", "--json"]).objects()
    #expect(objects.compactMap { $0["name"] as? String } == ["someone/lora", "someone/pico"])
    #expect(try run(["pull", "someone/pico"]).errors.contains("HF_HUB_OFFLINE"))
  }

  @Test(arguments: [
    ["pull"], ["pull", "../x"], ["pull", "--list", "a/b"], ["pull", "a/b", "--all", "--include", "*"],
  ])
  func wrongUsageExitsWith64(_ arguments: [String]) throws { #expect(try run(arguments).status == 64) }
}
