import Foundation
import ModelFiles
import Support
import TestSupport
import Testing
import Tokenization

@testable import Serving

/// A long run of marks that combine with the character before them. Swift's own comparison of such texts takes time
/// quadratic in the run.
func combiningRun(_ bytes: Int) -> String { String(repeating: "\u{0323}\u{0307}", count: bytes / 4) }

/// Runs `body`, which must be done long before anything quadratic would be.
func promptly(_ seconds: Double = 10, _ body: () throws -> Void) rethrows {
  #expect(try processorSeconds(body) < seconds)
}

@Suite struct HostileTextTests {
  @Test func headersAreComparedAsBytes() {
    let run = combiningRun(1 << 18)
    let names = [
      "Host", "Origin", "Authorization", "Content-Type", "Expect", "Access-Control-Request-Headers", run,
    ]
    var gate = Gate()
    gate.apiKey = "k"
    gate.allowedHosts = ["tina.example"]
    gate.allowedOrigins = ["https://a.example"]
    promptly {
      for name in names {
        for value in [run, "localhost" + run, "http://" + run, "Bearer " + run, "application/json" + run] {
          var headers = [
            (name: "Host", value: "localhost"), (name: "Content-Type", value: "application/json"),
          ]
          headers.removeAll { $0.name.isSameIgnoringCase(name) }
          let request = ServerRequest(method: "POST", target: "/" + run, headers: headers + [(name, value)])
          #expect(throws: ServingError.self) { try gate.check(request, needsKey: true) }
          #expect(gate.crossOriginHeaders(request).isEmpty && gate.preflight(request).isEmpty)
          #expect(throws: ServingError.self) {
            try RequestHead.check(target: "/", headers: [(name, value)], maxBodyBytes: 100)
          }
        }
      }
      #expect(Route(path: "/" + run) == nil && Route(path: "/health" + run) == nil)
    }
  }

  @Test func headsAreBounded() {
    func status(_ target: String, _ headers: [(name: String, value: String)]) -> Int {
      do throws(ServingError) {
        try RequestHead.check(target: target, headers: headers, maxBodyBytes: 1000)
        return 200
      } catch { return error.status }
    }
    let a = { String(repeating: "a", count: $0) }
    #expect(status(a(8192), [("X", a(8192))]) == 200)
    #expect(status(a(8193), []) == 414)
    #expect(status("/", [("X", a(8193))]) == 431)
    #expect(status("/", [(a(8193), "x")]) == 431)
    #expect(status("/", (0..<5).map { _ in (name: "X", value: a(8000)) }) == 431)
    #expect(status("/", (0..<101).map { _ in (name: "X", value: "a") }) == 431)
    for length in ["1001", "9223372036854775808", "18446744073709551616", a(0) + "99999999999999999999999"] {
      #expect(status("/", [("content-length", length)]) == 413, "\(length)")
    }
    for encoding in ["gzip", "br", "identity, gzip", "x"] {
      #expect(status("/", [("Content-Encoding", encoding)]) == 415, "\(encoding)")
    }
    #expect(status("/", [("Content-Encoding", "identity"), ("Expect", "100-Continue")]) == 200)
    #expect(status("/", [("Expect", "200-ok")]) == 417)
    #expect(status("/", [("Transfer-Encoding", "gzip, chunked")]) == 501)
  }

  /// Every word of a body is bounded before it is looked at.
  @Test func wordsOfBodiesAreBounded() {
    let run = combiningRun(1 << 18)
    let message = #"{"role": "user", "content": "x"}"#
    let bodies = [
      #"{"model": "\#(run)", "messages": [\#(message)]}"#,
      #"{"model": "pico", "messages": [{"role": "\#(run)", "content": "x"}]}"#,
      #"{"model": "pico", "messages": [{"role": "user\#(run)", "content": "x"}]}"#,
      #"{"model": "pico", "messages": [{"role": "user", "content": [{"type": "\#(run)", "text": "x"}]}]}"#,
      #"{"model": "pico", "messages": [\#(message)], "stop": ["\#(run)"]}"#,
      #"{"model": "pico", "messages": [\#(message)], "tool_choice": "\#(run)"}"#,
      #"{"model": "pico", "messages": [\#(message)], "tool_choice": "none\#(run)"}"#,
      #"{"model": "pico", "messages": [\#(message)], "response_format": {"type": "text\#(run)"}}"#,
      #"{"model": "pico", "messages": [\#(message)], "modalities": ["\#(run)"]}"#,
      #"{"model": "pico", "messages": [\#(message)], "service_tier": "\#(run)"}"#,
      #"{"model": "pico", "messages": [\#(message)], "\#(run)": 1}"#,
      #"{"model": "pico", "messages": [{"role": "user", "content": "x", "\#(run)": 1}]}"#,
      #"{"model": "pico", "messages": [\#(message)], "temperature": 0.\#(String(repeating: "1", count: 1 << 18))}"#,
    ]
    promptly {
      for body in bodies {
        #expect(throws: ServingError.self) {
          var fields = try RequestFields(body: Array(body.utf8))
          _ = try ChatRequest(&fields, RequestLimits())
        }
      }
      #expect(throws: ServingError.self) {
        var fields = try RequestFields(
          body: Array(#"{"model": "m", "input": [{"type": "\#(run)", "role": "user", "content": ""}]}"#.utf8))
        _ = try ResponsesRequest(&fields, RequestLimits())
      }
    }
  }

  @Test func unknownNamesOfAdaptersAreNotHashed() async throws {
    let service = try await picoService { $0.adapterFolder = try? AdapterFolder(path: pico) }
    let name = String(repeating: "\u{0323}\u{0307}", count: 250)
    let body = #"{"lora_name": "\#(name)", "lora_path": "adapter"}"#
    #expect(await service.ask("POST", "/v1/load_lora_adapter", body).status == 400)
    #expect(
      await service.ask("POST", "/v1/unload_lora_adapter", #"{"lora_name": "\#(name)"}"#).status == 404)
    let long = combiningRun(1 << 18)
    #expect(
      await service.ask("POST", "/v1/unload_lora_adapter", #"{"lora_name": "\#(long)"}"#).status == 400)
    #expect(await service.ask("GET", "/v1/models/" + combiningRun(8000)).status == 404)
  }

  @Test func bodiesOfNothingButBracketsAreRefusedUnread() throws {
    let body = Array((#"{"metadata": ["# + String(repeating: #"{"":0},"#, count: 200_000) + "0]}").utf8)
    promptly {
      let error = #expect(throws: ServingError.self) { _ = try RequestFields(body: body) }
      #expect(error?.message.contains("arrays and objects") == true)
    }
    // Brackets in texts are texts.
    let text = String(repeating: "[{", count: 100_000)
    var fields = try RequestFields(body: Array(#"{"prompt": "\"\#(text)", "model": "m"}"#.utf8))
    #expect(try TextRequest(&fields, RequestLimits()).prompts.count == 1)
  }
}

@Suite struct RequestWorkTests {
  /// Long work never holds up short work, and goes in turns that are fair by bytes.
  @Test func shortWorkDoesNotWaitForLongWork() async throws {
    let work = RequestWork(cores: 1)
    let gate = DispatchSemaphore(value: 0)
    let long = await work.occupied(bytes: 4 << 20, until: gate)
    let waiting = Task { try await work.run(bytes: 4 << 20) { _ in } }
    await eventually { work.waiting == 1 }
    #expect(try await work.run(bytes: 10_000) { _ in 7 } == 7)
    #expect(work.waiting == 1)
    gate.signal()
    try await long.value
    try await waiting.value
  }

  @Test func turnsAreFairByBytes() async throws {
    let work = RequestWork(cores: 1)
    let gate = DispatchSemaphore(value: 0)
    let first = await work.occupied(bytes: 100_000, until: gate)
    let order = Lines()
    var tasks: [Task<Void, any Error>] = []
    for (place, bytes) in [4 << 20, 3 << 20, 100_000, 200_000].enumerated() {
      tasks.append(Task { try await work.run(bytes: bytes) { _ in order.add("\(bytes)") } })
      await eventually { work.waiting == place + 1 }
    }
    gate.signal()
    for task in tasks + [first] { try await task.value }
    #expect(order.all == ["100000", "200000", "\(3 << 20)", "\(4 << 20)"])
  }

  @Test func whoLeavesWaitsNoLonger() async throws {
    let work = RequestWork(cores: 1)
    let gate = DispatchSemaphore(value: 0)
    let told = Locked(false)
    let running = await work.occupied(bytes: 4 << 20, until: gate) { sign in
      do { try sign.check() } catch { told.withLock { $0 = true } }
    }
    let queued = Task { try await work.run(bytes: 4 << 20) { _ in Issue.record("it was dropped") } }
    await eventually { work.waiting == 1 }
    running.cancel()
    queued.cancel()
    await #expect(throws: CancellationError.self) { try await running.value }
    await #expect(throws: CancellationError.self) { try await queued.value }
    #expect(work.waiting == 0)
    gate.signal()
    await eventually { told.withLock { $0 } }
    #expect(told.withLock { $0 })
  }
}

extension RequestWork {
  /// Work that holds a thread until the gate opens. It has begun when this returns: tasks that are made one after the
  /// other begin in any order.
  func occupied(
    bytes: Int, until gate: DispatchSemaphore, then: @escaping @Sendable (Sign) -> Void = { _ in }
  ) async -> Task<Void, any Error> {
    let hasBegun = Locked(false)
    let task = Task {
      try await run(bytes: bytes) { sign in
        hasBegun.withLock { $0 = true }
        gate.wait()
        then(sign)
      }
    }
    await eventually { hasBegun.withLock { $0 } }
    return task
  }
}
