import Foundation
import ModelFiles
import TestSupport
import Testing
import TinaRuntime

@testable import Serving

/// Files that change under a server, and scales that no adapter is attached with.
@Suite struct ChangedFilesTests {
  @Test func anAdapterAnswersAsItWasLoaded() async throws {
    let scratch = TemporaryFolder()
    let service = try await picoService()
    let folder = try otherAdapters(1, in: scratch)[0]
    try await service.adapters.load(name: "copy", AdapterSource(path: folder))
    let options = #""temperature": 0, "max_tokens": 20"#
    let before = try await service.chat(options, model: "copy").json()["choices", "0"]
    let handle = try #require(FileHandle(forWritingAtPath: folder + "/adapter_model.safetensors"))
    try handle.seek(toOffset: 30_000)
    try handle.write(contentsOf: [UInt8](repeating: 0xff, count: 50_000))
    // Another scale is attached anew, from the copy too.
    for model in ["copy", "copy@1.0", "copy@0.5"] {
      #expect(await service.chat(options, model: model).status == 200)
    }
    try handle.truncate(atOffset: 0)
    #expect(try await service.chat(options, model: "copy").json()["choices", "0"] == before)
    #expect(await service.chat(options, model: "copy@0.25").status == 200)
  }

  @Test func aModelThatIsShortenedIsAnErrorAndNoSignal() async throws {
    let scratch = TemporaryFolder()
    let base = scratch.path("base")
    try FileManager.default.copyItem(atPath: pico, toPath: base)
    let engine = Engine(model: try Model(path: base, threads: 1), memoryBudget: 64 << 20)
    let service = try Service(engine: engine, adapters: AdapterRegistry(engine: engine, baseName: "pico"))
    #expect(await service.ask("GET", "/health").status == 200)
    let handle = try #require(FileHandle(forWritingAtPath: base + "/model.safetensors"))
    try handle.truncate(atOffset: 100_000)
    let reply = await service.chat(#""max_tokens": 5"#, model: "pico")
    #expect(reply.status == 503)
    let text = try reply.json()["error", "message"]?.string ?? ""
    #expect(text.contains("model.safetensors") && !text.contains(base))
    #expect(await service.ask("GET", "/health").status == 503)
  }

  @Test(arguments: ["1e30", "-1e30", "1e-30", "nan", "inf", "-inf", "1e99", "0x10", "1e7"])
  func scalesThatCannotBeAreOneError(scale: String) async throws {
    let service = try await picoService()
    let reply = await service.chat(#""max_tokens": 2"#, model: "math@" + scale)
    #expect(reply.status == 400)
    #expect(try reply.json()["error", "message"]?.string?.contains(AttachedAdapter.scaleRange) == true)
    // Where the name is unknown, the name is what is wrong.
    #expect(await service.chat(#""max_tokens": 2"#, model: "nobody@" + scale).status == 404)
  }
}
