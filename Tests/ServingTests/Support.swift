import AdapterFormat
import Foundation
import ModelFiles
import Synchronization
import TestSupport
import Testing
import TinaRuntime

@testable import Serving

/// A service on Pico, with its adapter under the name "math".
func picoService(_ configure: (inout Service.Settings) -> Void = { _ in }) async throws -> Service {
  let engine = Engine(model: try Model(path: pico, threads: 2), memoryBudget: 64 << 20)
  let adapters = AdapterRegistry(engine: engine, baseName: "pico")
  try await adapters.load(name: "math", AdapterSource(path: picoAdapter))
  var settings = Service.Settings()
  configure(&settings)
  return try Service(engine: engine, adapters: adapters, settings: settings)
}

/// Adapters as strong as Pico's, but different from it and from each other: its numbers with some signs flipped.
func otherAdapters(_ count: Int, in scratch: TemporaryFolder) throws -> [String] {
  let file = try Data(contentsOf: URL(fileURLWithPath: picoAdapter + "/adapter_model.safetensors"))
  // A safetensors file: eight bytes of length, JSON of that length, then floats whose last byte holds the sign.
  let start = 8 + file.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
  return try (0..<count).map { number in
    var bytes = file
    var random = SeededGenerator(UInt64(number))
    for place in stride(from: start + 3, to: bytes.count, by: 4) {
      if random.below(4) == 0 { bytes[place] ^= 0x80 }
    }
    let folder = scratch.makeFolder("other-\(number)")
    try FileManager.default.copyItem(
      atPath: picoAdapter + "/adapter_config.json", toPath: folder + "/adapter_config.json")
    try bytes.write(to: URL(fileURLWithPath: folder + "/adapter_model.safetensors"))
    return folder
  }
}

/// A client that keeps everything it is sent.
final class CollectingSink: ResponseSink {
  struct Received: Sendable {
    var status = 0
    var headers: [(String, String)] = []
    var body: [UInt8] = []
    var hasEnded = false
    var pieces = 0
  }
  private let state = Mutex(Received())
  /// After so many pieces the client is gone.
  let leavesAfter: Int

  init(leavesAfter: Int = .max) { self.leavesAfter = leavesAfter }

  var received: Received { state.withLock { $0 } }

  func whole(_ status: Int, _ headers: [(String, String)], _ body: [UInt8]) async throws {
    try await begin(status, headers)
    try await end(body)
  }
  func begin(_ status: Int, _ headers: [(String, String)]) async throws {
    state.withLock {
      $0.status = status
      $0.headers = headers
    }
  }
  func piece(_ bytes: [UInt8]) async throws {
    let count = state.withLock {
      $0.body += bytes
      $0.pieces += 1
      return $0.pieces
    }
    if count > leavesAfter { throw ClientLeft() }
  }
  func end(_ bytes: [UInt8]) async throws {
    state.withLock {
      $0.body += bytes
      $0.hasEnded = true
    }
  }
}

/// What came back, read as JSON.
struct Reply {
  let status: Int
  let headers: [(String, String)]
  let body: [UInt8]

  var text: String { String(decoding: body, as: UTF8.self) }

  func json() throws -> JSONValue { try JSON.parse(body, file: "reply") }

  /// The chunks of a stream, which must end in [DONE].
  func chunks() throws -> [JSONValue] {
    var events = text.components(separatedBy: "\n\n").filter { !$0.isEmpty }
    #expect(events.popLast() == "data: [DONE]")
    return try events.map { event in
      try #require(event.hasPrefix("data: "))
      return try JSON.parse(Array(event.dropFirst(6).utf8), file: "chunk")
    }
  }

  func header(_ name: String) -> String? {
    headers.first { $0.0.lowercased() == name.lowercased() }?.1
  }
}

let jsonHeaders = [
  (name: "Host", value: "localhost:8000"), (name: "Content-Type", value: "application/json"),
]

extension Service {
  func ask(
    _ method: String, _ target: String, _ body: String = "",
    headers: [(name: String, value: String)] = jsonHeaders
  ) async -> Reply {
    let sink = CollectingSink()
    await respond(
      to: ServerRequest(method: method, target: target, headers: headers, body: Array(body.utf8)), sink)
    let received = sink.received
    #expect(received.hasEnded)
    return Reply(status: received.status, headers: received.headers, body: received.body)
  }

  func chat(_ members: String, model: String = "math", content: String = "What is 12 + 3 * 4?") async -> Reply
  {
    let tail = members.isEmpty ? "" : ", " + members
    return await ask(
      "POST", "/v1/chat/completions",
      #"{"model": "\#(model)", "messages": [{"role": "user", "content": "\#(content)"}]\#(tail)}"#)
  }
}

extension JSONValue {
  /// The value at a path of keys and indices.
  subscript(path: String...) -> JSONValue? {
    var value = self
    for step in path {
      let next = Int(step).flatMap { index in
        value.array.flatMap { $0.indices.contains(index) ? $0[index] : nil }
      }
      guard let found = next ?? value.object?[step] else { return nil }
      value = found
    }
    return value
  }
}

/// Runs blocking work away from Swift's own threads, which the service needs.
func offPool<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
  try await withCheckedThrowingContinuation { continuation in
    Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
  }
}
