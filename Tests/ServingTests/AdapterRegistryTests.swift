import Foundation
import ModelFiles
import Support
import TestSupport
import Testing
import TinaRuntime

@testable import Serving

@Suite struct AdapterRegistryTests {
  @Test func loadingAndUnloadingLeaveRunningRequestsAlone() async throws {
    let service = try await picoService()
    let request = { (adapter: AttachedAdapter?) in
      GenerationRequest(
        prompt: Array(1...40), .init(adapter: adapter, sampling: .init(seed: 4), maxTokens: 400),
        endTokens: [])
    }
    let expected = try await service.engine.generate(
      request(try await service.adapters.resolve("math").adapter)
    ).collect()
    let held = try await service.adapters.resolve("math").adapter
    let running = try service.engine.generate(request(held))
    // Another version, at another scale, takes the name; then the name goes altogether.
    try await service.adapters.load(
      name: "math", AdapterSource(path: picoAdapter, scale: 0.25), replacing: true)
    let swapped = try await service.engine.generate(
      request(try await service.adapters.resolve("math").adapter)
    ).collect()
    try service.adapters.unload(name: "math")
    await #expect(throws: ServingError.self) { _ = try await service.adapters.resolve("math") }
    #expect(try await running.collect() == expected)
    #expect(swapped.ids != expected.ids)
  }

  @Test func switchingBackAndForthGivesColdAnswers() async throws {
    // A common beginning of many pages, so that one adapter's cache could be mistaken for another's.
    let content = String(repeating: "Add 2 and 3, then 4. ", count: 20)
    let options = #""seed": 7, "max_tokens": 40, "logprobs": true"#
    var cold: [String: JSONValue] = [:]
    let models = ["math", "pico", "math@0.5", "twice", "math@-1", "other"]
    let scratch = TemporaryFolder()
    let other = try otherAdapters(1, in: scratch)[0]
    let threeAdapters = {
      let service = try await picoService()
      try await service.adapters.load(name: "twice", AdapterSource(path: picoAdapter, scale: 2))
      try await service.adapters.load(name: "other", AdapterSource(path: other))
      return service
    }
    for model in models {
      let fresh = try await threeAdapters()
      cold[model] = try await fresh.chat(options, model: model, content: content).json()["choices", "0"]
    }
    let service = try await threeAdapters()
    for model in models + models.reversed() + models {
      let warm = try await service.chat(options, model: model, content: content).json()["choices", "0"]
      #expect(warm == cold[model], "\(model)")
    }
    #expect(service.engine.statistics.promptTokensShared > 0)
    #expect(Set(cold.values.map { $0.text() }).count == models.count)
  }

  @Test func requestsOfFourAdaptersTogetherAreWhatTheyAreAlone() async throws {
    let service = try await picoService()
    let scratch = TemporaryFolder()
    for (name, path) in zip(["a", "b", "c"], try otherAdapters(3, in: scratch)) {
      try await service.adapters.load(name: name, AdapterSource(path: path))
    }
    let models = ["math", "a", "b", "c"]
    let options: @Sendable (Int) -> String = { seed in
      #""temperature": 1, "seed": \#(seed), "max_tokens": 120, "logprobs": true"#
    }
    var alone: [JSONValue?] = []
    for i in 0..<16 {
      alone.append(try await service.chat(options(i), model: models[i % 4]).json()["choices", "0"])
    }
    let together = try await withThrowingTaskGroup(of: (Int, JSONValue?).self) { group in
      for i in 0..<16 {
        group.addTask { (i, try await service.chat(options(i), model: models[i % 4]).json()["choices", "0"]) }
      }
      var answers = [JSONValue?](repeating: nil, count: 16)
      for try await (i, answer) in group { answers[i] = answer }
      return answers
    }
    #expect(together == alone)
    // Four adapters that answer the same question differently, or nothing was shown.
    let greedy = #""temperature": 0, "max_tokens": 120, "logprobs": true"#
    var answers: [String] = []
    for model in models + ["pico"] {
      answers.append(try await service.chat(greedy, model: model).json()["choices", "0"]?.text() ?? "")
    }
    #expect(Set(answers).count == 5)
  }

  @Test func aThousandLoadsLeaveMemoryAndCacheAsTheyWere() async throws {
    let service = try await picoService()
    func cycle(_ count: Int) async throws {
      for i in 0..<count {
        try await service.adapters.load(
          name: "x", AdapterSource(path: picoAdapter, scale: Float(i % 7 + 1) / 4))
        if i % 10 == 0 {
          let reply = await service.chat(
            #""max_tokens": 2"#, model: "x", content: String(repeating: "1 ", count: 60))
          #expect(reply.status == 200)
        }
        try service.adapters.unload(name: "x")
      }
    }
    try await cycle(200)
    let before = try #require(ProcessMemory.privateBytes)
    try await cycle(1000)
    let after = try #require(ProcessMemory.privateBytes)
    // Other tests run beside this one. An adapter that stayed would take 0.8 MB each time.
    #expect(after - before < 200 << 20)
    await eventually { service.engine.statistics.cacheBytesCached == 0 }
    #expect(service.engine.statistics.cacheBytesCached == 0)
  }

  @Test func badLoadsChangeNothing() async throws {
    let service = try await picoService { $0.adapterFolder = try? AdapterFolder(path: pico) }
    let before = service.adapters.list
    let bodies: [(String, Int, String)] = [
      (#"{"lora_name": "math", "lora_path": "adapter"}"#, 400, "lora_name"),
      (#"{"lora_name": "pico", "lora_path": "adapter"}"#, 400, "lora_name"),
      (#"{"lora_name": "a b", "lora_path": "adapter"}"#, 400, "lora_name"),
      (#"{"lora_name": "a:b", "lora_path": "adapter"}"#, 400, "lora_name"),
      (#"{"lora_name": "x", "lora_path": "nothing"}"#, 404, "lora_path"),
      (#"{"lora_name": "x", "lora_path": "config.json"}"#, 400, "lora_path"),
      (#"{"lora_name": "x", "lora_path": "adapter", "rank": 5}"#, 400, "rank"),
      (#"{"lora_name": "x"}"#, 400, "lora_path"),
    ]
    for (body, status, param) in bodies {
      let reply = await service.ask("POST", "/v1/load_lora_adapter", body)
      #expect(reply.status == status, "\(body)")
      #expect(try reply.json()["error", "param"]?.string == param, "\(body)")
    }
    #expect(service.adapters.list == before)
    #expect(await service.ask("POST", "/v1/unload_lora_adapter", #"{"lora_name": "x"}"#).status == 404)
    let loaded = await service.ask(
      "POST", "/v1/load_lora_adapter", #"{"lora_name": "x", "lora_path": "adapter"}"#)
    #expect(loaded.status == 200)
    #expect(await service.chat(#""max_tokens": 1"#, model: "x").status == 200)
    #expect(await service.ask("GET", "/v1/models/pico:x@0.5").status == 200)
    #expect(await service.ask("POST", "/v1/unload_lora_adapter", #"{"lora_name": "x"}"#).status == 200)
    #expect(await service.chat(#""max_tokens": 1"#, model: "x").status == 404)
  }

  @Test func clientsMayNotLoadUnlessAFolderIsGiven() async throws {
    let service = try await picoService()
    let body = #"{"lora_name": "x", "lora_path": "\#(picoAdapter)"}"#
    #expect(await service.ask("POST", "/v1/load_lora_adapter", body).status == 403)
    #expect(await service.ask("POST", "/v1/unload_lora_adapter", #"{"lora_name": "math"}"#).status == 403)
    #expect(service.adapters.list.map(\.name) == ["math"])
  }

  @Test func nothingOutsideTheFolderIsReached() throws {
    let scratch = TemporaryFolder()
    let manager = FileManager.default
    let inside = scratch.path + "/adapters"
    for folder in [inside + "/good", scratch.path + "/adapters-secret", scratch.path + "/secret"] {
      try manager.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }
    try manager.createSymbolicLink(atPath: inside + "/link", withDestinationPath: scratch.path + "/secret")
    try manager.createSymbolicLink(atPath: inside + "/fine", withDestinationPath: inside + "/good")
    let folder = try AdapterFolder(path: inside)
    #expect(try folder.resolve("good") == folder.resolve("fine"))
    #expect(try folder.resolve("./good/../good") == folder.resolve(inside + "/good"))
    var messages: Set<String> = []
    for path in [
      "", "..", "../secret", "link", "good/../../secret", "/etc/passwd", scratch.path + "/secret", "missing",
      "../adapters-secret", "/", "~", "good\0", String(repeating: "a/", count: 5000), ".",
    ] {
      do throws(ServingError) {
        let found = try folder.resolve(path)
        Issue.record("\(path) led to \(found)")
      } catch {
        messages.insert(error.message.replacingOccurrences(of: quoted(path), with: "PATH"))
      }
    }
    // The error does not tell whether something exists outside.
    #expect(messages.count == 1)
  }

  /// Nothing tells what exists outside: neither a path through other folders nor a link.
  @Test func pathsThroughOtherFoldersAreTheSame404() async throws {
    let scratch = TemporaryFolder()
    let manager = FileManager.default
    let inside = scratch.makeFolder("adapters")
    _ = scratch.makeFolder("there")
    try manager.copyItem(atPath: picoAdapter, toPath: inside + "/good")
    try manager.createDirectory(atPath: inside + "/linked", withIntermediateDirectories: true)
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
      try manager.createSymbolicLink(
        atPath: inside + "/linked/" + name, withDestinationPath: picoAdapter + "/" + name)
    }
    try manager.createSymbolicLink(atPath: inside + "/up", withDestinationPath: "..")
    try manager.createSymbolicLink(atPath: inside + "/dangling", withDestinationPath: "../missing")
    let service = try await picoService { $0.adapterFolder = try? AdapterFolder(path: inside) }
    func load(_ path: String) async -> Reply {
      await service.ask(
        "POST", "/v1/load_lora_adapter", #"{"lora_name": "x", "lora_path": "\#(path)", "load_inplace": true}"#
      )
    }
    var messages: Set<String> = []
    for path in [
      "../there/../adapters/good", "../missing/../adapters/good", scratch.path + "/there/../adapters/good",
      scratch.path + "/missing/../adapters/good", "up/adapters/good", "up/there", "up/missing", "dangling",
      "linked", "/etc/passwd", "/etc/missing", "missing",
    ] {
      let reply = await load(path)
      #expect(reply.status == 404, "\(path)")
      messages.insert(
        try reply.json()["error", "message"]?.string?.replacingOccurrences(of: path, with: "PATH") ?? "")
    }
    #expect(messages.count == 1)
    try manager.createSymbolicLink(atPath: inside + "/self", withDestinationPath: ".")
    #expect(await load("self").status == 404)
    let guessed = try await load("/x" + inside + "/good").json()["error", "message"]?.string
    #expect(guessed?.contains("/x" + inside + "/good") == true)
    for path in [
      "good", "self/self/good", "./good/", "nowhere/../good", inside + "/good",
      "good/adapter_model.safetensors",
    ] {
      #expect(await load(path).status == 200, "\(path)")
    }
  }

  /// What a client is told of an error names no folder of this machine.
  @Test func errorsNameNoFolderOfTheMachine() async throws {
    let scratch = TemporaryFolder()
    let inside = scratch.makeFolder("adapters")
    try Data("{}".utf8).write(to: URL(fileURLWithPath: inside + "/config.json"))
    _ = scratch.makeFolder("adapters/empty")
    try Data("no".utf8).write(to: URL(fileURLWithPath: inside + "/x.tina"))
    let service = try await picoService { $0.adapterFolder = try? AdapterFolder(path: inside) }
    for path in ["config.json", "empty", "x.tina"] {
      let reply = await service.ask(
        "POST", "/v1/load_lora_adapter", #"{"lora_name": "x", "lora_path": "\#(path)"}"#)
      #expect(reply.status == 400)
      #expect(!reply.text.contains(scratch.path) && reply.text.contains(path), "\(reply.text)")
    }
    struct Odd: Error {}
    let fault = ServingError(Odd())
    #expect(fault.status == 500 && !fault.message.contains("Odd") && fault.fault?.contains("Odd") == true)
  }
}
