import Foundation
import TestSupport
import Testing

/// What holds where the command line says nothing (docs/reference/settings.md).
@Suite(.needsPico)
struct UserSettingsTests {
  private let scratch = TemporaryFolder()
  private let question = ["--greedy", "--json", "--max-tokens", "4", "What is 2 + 3?"]

  private func run(
    _ arguments: [String], file: String? = nil, environment: [String: String] = [:]
  ) throws -> Program.Result {
    var environment = environment
    if let file { environment["TINA_CONFIG"] = scratch.write("config.yaml", file) }
    return try Program.run(arguments, in: scratch.path, environment: environment)
  }

  @Test func theFileNamesModelAndAdapterAndSaysSo() throws {
    let result = try run(
      ["run"] + question, file: "# mine\nmodel: \(pico)\nadapter: \"\(pico)/adapter@0.5\"\n")
    let object = try result.object()
    #expect(object["model"] as? String == pico)
    #expect(object["adapter"] as? String == pico + "/adapter" && object["adapter_scale"] as? Double == 0.5)
    #expect(
      result.errors.contains("config.yaml, line 2 says") && result.errors.contains("config.yaml, line 3 says")
    )
  }

  @Test func anOptionComesBeforeAVariableAndThatBeforeTheFile() throws {
    let file = "model: no/such/file\nthreads: 1\n"
    #expect(try run(["run"] + question, file: file).errors.contains("no/such/file"))
    let variable = ["TINA_MODEL": "no/such/variable"]
    let second = try run(["run"] + question, file: file, environment: variable)
    #expect(second.status == 1 && second.errors.contains("no/such/variable, as TINA_MODEL says"))
    let third = try run(["run", pico] + question, file: file, environment: variable)
    #expect(third.status == 0 && !third.errors.contains("no/such"))
    let empty = try run(["run"] + question, file: file, environment: ["TINA_MODEL": ""])
    #expect(empty.errors.contains("no/such/file"))
  }

  @Test func theAdapterBelongsToTheModelOfTheFile() throws {
    let result = try run(["run", pico] + question, file: "adapter: \(pico)/adapter\n")
    #expect(try result.object()["adapter"] is NSNull)
  }

  @Test func whatIsKeptDoesNotDependOnTheFile() throws {
    let file = "model: no/such/model\nadapter: no/such/adapter\nthreads: 1\n"
    let line = #"{"prompt": "1 + 1 =", "completion": " 2"}"#
    let result = try Program.run(
      ["score", "-"], input: line, environment: ["TINA_CONFIG": scratch.write("config.yaml", file)])
    #expect(result.status == 0, "\(result.errors)")
    let eval = try run(
      ["eval", "--limit", "1", "--max-tokens", "4", "--out", scratch.path("eval")], file: file)
    #expect(eval.status == 0, "\(eval.errors)")
  }

  @Test(arguments: [
    ("modell: x\n", "line 1: found the key \"modell\", expected one of model, adapter, threads, activations"),
    ("\nthreads: 0\n", "line 2: found threads \"0\", expected 1 to 1024"),
    ("threads: many\n", "found threads \"many\""), ("activations: f8\n", "found activations \"f8\""),
    ("model: [a, b]\n", "more than one value"), ("- a\n", "found no keys"), ("a: [\n", "found no YAML"),
    (String(repeating: "[", count: 50_000), "bytes that are no settings"),
    (String(repeating: "#", count: 70_000), "bytes that are no settings"),
  ])
  func mistakesAreNamed(_ file: String, _ told: String) throws {
    let result = try run(["run", pico] + question, file: file)
    #expect(result.status == 1)
    #expect(result.errors.contains(told), "\(result.errors)")
    #expect(result.output.isEmpty)
  }

  @Test(arguments: ["", "# nothing\n", "model:\nthreads: ~\n", "{}"])
  func whatIsLeftOutIsLeftOut(_ file: String) throws {
    let result = try run(["run", pico] + question, file: file)
    #expect(result.status == 0, "\(result.errors)")
  }

  @Test func aWrongVariableIsNamed() throws {
    let result = try run(["run", pico] + question, environment: ["TINA_THREADS": "-1"])
    #expect(result.status == 1 && result.errors.contains("TINA_THREADS: found threads \"-1\""))
    let missing = try run(["run", pico] + question, environment: ["TINA_CONFIG": scratch.path("none.yaml")])
    #expect(missing.status == 1 && missing.errors.contains("none.yaml can't be read"))
  }

  @Test func theFileLiesWhereTheDesktopSays() throws {
    let folder = scratch.path("xdg/tina")
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try Data("model: no/such/xdg\n".utf8).write(to: URL(fileURLWithPath: folder + "/config.yaml"))
    for settings in [
      "XDG_CONFIG_HOME='\(scratch.path("xdg"))'", "XDG_CONFIG_HOME=relative HOME='\(scratch.path)'",
    ] {
      let result = try Program.shell("env -u TINA_CONFIG \(settings) \"$TINA\" run hello", in: scratch.path)
      #expect(result.errors.contains("no/such/xdg") == settings.contains("xdg"), "\(result.errors)")
    }
  }
}
