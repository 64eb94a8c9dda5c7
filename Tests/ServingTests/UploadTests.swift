import AdapterFormat
import Foundation
import ModelFiles
import TestSupport
import Testing
import TinaRuntime

@testable import Serving

/// Adapters that clients send.
@Suite(.needsPico) struct UploadTests {
  static let key = "s3cret"
  let scratch = TemporaryFolder()

  /// A service that takes adapters from whoever has the key.
  func service(maxBytes: Int = 8 << 20, key: String? = key) async throws -> Service {
    let uploads = try AdapterUploads(maxBytes: maxBytes, in: scratch.path)
    return try await picoService {
      $0.uploads = uploads
      $0.gate.apiKey = key
    }
  }

  /// Pico's own adapter, and others as strong, as .tina files.
  func files(_ count: Int = 1) throws -> [String] {
    let sources = [picoAdapter] + (count > 1 ? try otherAdapters(count - 1, in: scratch) : [])
    return try sources.enumerated().map { number, source in
      let path = scratch.path("file-\(number).tina")
      try TinaWriter.write(AdapterFile(path: source).archive, to: path)
      return path
    }
  }

  func digest(_ path: String) throws -> String { try TinaFile(path: path).contentDigest.description }

  func headers(_ key: String?) -> [(name: String, value: String)] {
    jsonHeaders + (key.map { [("Authorization", "Bearer " + $0)] } ?? [])
  }

  func put(
    _ service: Service, _ name: String, _ path: String, key: String? = key
  ) async throws -> Reply {
    let body = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
    let sink = CollectingSink()
    await service.respond(
      to: ServerRequest(
        method: "PUT", target: "/v1/adapters/" + name, headers: headers(key), body: body), sink)
    let received = sink.received
    return Reply(status: received.status, headers: received.headers, body: received.body)
  }

  func answer(_ service: Service, _ model: String) async throws -> Reply {
    await service.ask(
      "POST", "/v1/completions",
      #"{"model": "\#(model)", "prompt": "What is 2 + 3?", "max_tokens": 24, "temperature": 0}"#,
      headers: headers(Self.key))
  }

  func text(_ service: Service, _ model: String) async throws -> String {
    let reply = try await answer(service, model)
    return try #require(try reply.json()["choices", "0", "text"]?.string, "\(reply.text)")
  }

  /// What arrived and was not kept: nothing must be left of it.
  private func leftovers() -> [String] { scratch.everything.filter { $0.contains("arriving") } }

  @Test func anAdapterIsServedUnderItsDigest() async throws {
    let service = try await service()
    let files = try files(2)
    let digests = try files.map(digest)
    let sent = try await put(service, "mine", files[0])
    #expect(sent.status == 200, "\(sent.text)")
    #expect(try sent.json()["digest"]?.string == digests[0])
    let list = try await service.ask("GET", "/v1/adapters", headers: headers(Self.key)).json()
    #expect(list["adapters"]?.array?.compactMap { $0["name"]?.string } == ["math", "mine"])
    #expect(list["adapters", "1", "digest"]?.string == digests[0] && list["takes_adapters"]?.bool == true)
    // Pico's own adapter, whichever way it came.
    let own = try await text(service, "math")
    #expect(try await text(service, "mine@sha256:" + digests[0]) == own)
    #expect(try await text(service, "pico:mine@1@sha256:" + digests[0]) == own)

    let other = try await put(service, "mine@sha256:" + digests[1], files[1])
    #expect(other.status == 200, "\(other.text)")
    let stale = try await answer(service, "mine@sha256:" + digests[0])
    #expect(stale.status == 409)
    #expect(try stale.json()["error", "code"]?.string == "adapter_changed")
    #expect(try await text(service, "mine@sha256:" + digests[1]) != own)
    #expect(try await answer(service, "mine@sha256:" + digests[0].uppercased()).status == 404)
    #expect(leftovers().isEmpty)
  }

  @Test func aDifferenceIsMadeWholeFromWhatIsThere() async throws {
    let service = try await service()
    let files = try files(3)
    var chain: [String] = [files[0]]
    for number in 1..<3 {
      var options = TinaOptions()
      options.parent = try TinaFile(path: files[number - 1])
      let path = scratch.path("difference-\(number).tina")
      try TinaWriter.write(TinaFile(path: files[number]).archive(), to: path, options: options)
      #expect(try TinaFile(path: path, parents: [files[number - 1]]).parentDigest != nil)
      chain.append(path)
    }
    // Files that only this test has must not help.
    for file in files.dropFirst() { try FileManager.default.removeItem(atPath: file) }
    let early = try await put(service, "mine", chain[2])
    #expect(early.status == 400 && early.text.contains("parent"), "\(early.text)")
    for file in chain {
      let reply = try await put(service, "mine", file)
      #expect(reply.status == 200, "\(reply.text)")
      if file == chain[0] { try FileManager.default.removeItem(atPath: file) }
    }
    #expect(try await text(service, "mine").isEmpty == false)
    #expect(leftovers().isEmpty)
  }

  @Test func whatMayNotComeIsRefusedAndNothingChanges() async throws {
    let service = try await service()
    let files = try files(2)
    let before = try await put(service, "mine", files[0])
    #expect(before.status == 200)
    let own = try await text(service, "mine")
    let damaged = scratch.path("damaged.tina")
    var bytes = try Data(contentsOf: URL(fileURLWithPath: files[1]))
    bytes[bytes.count - 9] ^= 1
    try bytes.write(to: URL(fileURLWithPath: damaged))
    let cut = scratch.write("cut.tina", bytes.prefix(bytes.count / 2))
    let text = scratch.write("text.tina", "no adapter")
    let foreign = scratch.path("foreign.tina")
    try TinaWriter.write(AdapterFile(path: tiny("adapter-all-r4")).archive, to: foreign)
    let cases: [(String, String, String?, Int)] = [
      ("mine", files[1], nil, 401), ("mine", files[1], "other", 401),
      ("mine@sha256:" + String(repeating: "0", count: 64), files[1], Self.key, 400),
      ("mine", damaged, Self.key, 400), ("mine", cut, Self.key, 400), ("mine", text, Self.key, 400),
      ("mine", foreign, Self.key, 400),
      // What the operator loaded is the operator's.
      ("math", files[1], Self.key, 409), ("pico", files[1], Self.key, 400),
      ("a%20b", files[1], Self.key, 400), ("mine@0.5", files[1], Self.key, 400),
    ]
    for (name, path, key, status) in cases {
      let reply = try await put(service, name, path, key: key)
      #expect(reply.status == status, "\(name) \(path): \(reply.text)")
      #expect(!reply.text.contains(scratch.path) && !reply.text.contains(Self.key))
    }
    #expect(try await self.text(service, "mine") == own)
    #expect(leftovers().isEmpty)
    let small = try await self.service(maxBytes: 100)
    #expect(try await put(small, "mine", files[0]).status == 413)
    for closed in [try await self.service(key: nil), try await picoService { $0.gate.apiKey = Self.key }] {
      #expect(try await put(closed, "mine", files[0]).status == 403)
    }
  }

  @Test func whatAClientSentItMayRemove() async throws {
    let service = try await service()
    _ = try await put(service, "mine", try files()[0])
    for (name, status) in [
      ("math", 409), ("nobody", 404), ("mine@sha256:" + String(repeating: "0", count: 64), 409),
    ] {
      #expect(
        await service.ask("DELETE", "/v1/adapters/" + name, headers: headers(Self.key)).status == status,
        "\(name)")
    }
    #expect(await service.ask("DELETE", "/v1/adapters/mine").status == 401)
    #expect(await service.ask("DELETE", "/v1/adapters/mine", headers: headers(Self.key)).status == 200)
    #expect(try await answer(service, "mine").status == 404)
    #expect(scratch.everything.filter { $0.hasPrefix("tina-adapters") }.count == 1)
    let wrong = await service.ask("GET", "/v1/adapters/mine", headers: headers(Self.key))
    #expect(wrong.status == 405 && wrong.header("Allow") == "PUT, DELETE, OPTIONS")
  }
}

#if Server
  import Transfer

  extension UploadTests {
    private func withServer(
      maxBytes: Int = 8 << 20, receiveSeconds: Double = 300,
      _ body: (Int, Service) async throws -> Void
    ) async throws {
      let service = try await service(maxBytes: maxBytes)
      var settings = HTTPServer.Settings()
      settings.port = 0
      // An adapter may be larger than other bodies.
      settings.maxBodyBytes = 1000
      (settings.receiveSeconds, settings.sendSeconds, settings.idleSeconds) = (receiveSeconds, 300, 300)
      let server = HTTPServer(service, settings: settings)
      let port = try await server.start()
      try await body(port, service)
      #expect(await server.stop(grace: 10) == 0)
    }

    private func client(_ port: Int, key: String = key) throws -> ServerClient {
      var pacing = ServerClient.Pacing()
      pacing.attempts = 1
      return try ServerClient("http://127.0.0.1:\(port)", key: key, connections: 4, pacing: pacing)
    }

    @Test func filesArriveOverTheNetworkAndSeveralAtOnce() async throws {
      let files = try files(2)
      try await withServer { port, service in
        let client = try client(port)
        try await withThrowingTaskGroup(of: Int.self) { tasks in
          for number in 0..<8 {
            let file = try MappedFile(path: files[number % 2])
            tasks.addTask {
              // Whoever finds no room comes again.
              while true {
                let reply = try await client.send(
                  "PUT", ["v1", "adapters", "mine"], .file(file), idleSeconds: 60)
                if reply.status != 429 { return reply.status }
              }
            }
          }
          for try await status in tasks { #expect(status == 200) }
        }
        // The file that is kept is that of the adapter that is served: a difference from it can follow.
        let served = try #require(try await client.describe()?.adapter("mine")?.digest)
        let number = try #require(try files.map(digest).firstIndex(of: served))
        var options = TinaOptions()
        options.parent = try TinaFile(path: files[number])
        let path = scratch.path("next.tina")
        try TinaWriter.write(TinaFile(path: files[1 - number]).archive(), to: path, options: options)
        let next = try await client.send(
          "PUT", ["v1", "adapters", "mine@sha256:" + digest(files[1 - number])],
          .file(try MappedFile(path: path)))
        #expect(next.status == 200, "\(String(decoding: next.body, as: UTF8.self))")
        let wrong = try self.client(port, key: "other")
        let refused = try await wrong.send(
          "PUT", ["v1", "adapters", "mine"], .file(try MappedFile(path: files[0])))
        #expect(refused.status == 401)
        #expect(leftovers().isEmpty)
      }
    }

    @Test func theWrongSizeIsRefusedBeforeItsBytesCome() async throws {
      try await withServer(maxBytes: 100_000) { port, service in
        try await offPool {
          let head =
            "PUT /v1/adapters/mine HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \(Self.key)\r\n"
          let large = try RawClient(port: port)
          large.send(head + "Content-Length: 10000000000\r\n\r\n")
          let reply = large.read { $0.hasSuffix("}") }
          #expect(reply.hasPrefix("HTTP/1.1 413 ") && reply.contains("--max-adapter"), "\(reply)")
          // A body of unknown length is counted as it comes.
          let endless = try RawClient(port: port)
          endless.send(head + "Transfer-Encoding: chunked\r\n\r\n")
          let chunk = "2710\r\n" + String(repeating: "x", count: 10_000) + "\r\n"
          for _ in 0..<20 { endless.send(chunk) }
          #expect(endless.read { $0.hasSuffix("}") }.hasPrefix("HTTP/1.1 413 "))
          // Without the key nothing is written.
          let stranger = try RawClient(port: port)
          stranger.send("PUT /v1/adapters/mine HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000\r\n\r\n")
          #expect(stranger.read { $0.hasSuffix("}") }.hasPrefix("HTTP/1.1 401 "))
        }
        await eventually { leftovers().isEmpty }
        #expect(leftovers().isEmpty)
      }
    }

    private static let beginning =
      "PUT /v1/adapters/mine HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \(key)\r\n"
      + "Content-Length: 100000\r\n\r\nsome bytes"

    @Test func whoeverLeavesLeavesNothing() async throws {
      try await withServer { port, service in
        try await offPool {
          let client = try RawClient(port: port)
          client.send(Self.beginning)
          eventually { leftovers().count == 1 }
          #expect(leftovers().count == 1)
          client.leave()
          eventually { leftovers().isEmpty }
          #expect(leftovers().isEmpty)
        }
      }
    }

    @Test func whoeverSendsTooSlowlyIsCutOff() async throws {
      try await withServer(receiveSeconds: 1) { port, service in
        try await offPool {
          let client = try RawClient(port: port)
          let began = ContinuousClock.now
          client.send(Self.beginning)
          #expect(client.read() == "")
          // The client itself waits for five minutes.
          #expect(ContinuousClock.now - began < .seconds(200))
        }
        await eventually { leftovers().isEmpty }
        #expect(leftovers().isEmpty)
      }
    }
  }
#endif
