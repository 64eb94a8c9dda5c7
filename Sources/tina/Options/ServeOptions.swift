import ArgumentParser
import Foundation
import Serving

/// Where a server listens, and whom it answers.
struct ServeNetworkOptions: ParsableArguments {
  @Option(help: "The address to listen on.")
  var host = "127.0.0.1"

  @Option(help: "The port; 0 takes one that is free.")
  var port = 8000

  @Option(
    help: ArgumentHelp("A file whose first line clients must show as their key.", valueName: "file"),
    completion: .file())
  var apiKeyFile: String?

  @Option(
    help:
      "The key itself, which other users of this machine may see. The environment variable TINA_API_KEY works too."
  )
  var apiKey: String?

  @Flag(help: "Listen beyond this machine without asking for a key.")
  var noApiKey = false

  @Option(
    help: ArgumentHelp(
      "A host name by which clients may reach the server, besides localhost and addresses; repeatable.",
      valueName: "name"))
  var allowHost: [String] = []

  @Option(
    help: ArgumentHelp(
      "Another site whose pages may use the server from a browser, as https://HOST; repeatable.",
      valueName: "origin"))
  var allowOrigin: [String] = []

  @Option(
    help: ArgumentHelp(
      "A folder from which clients may load adapters while the server runs; none unless given.",
      valueName: "dir"), completion: .directory)
  var adapterDir: String?

  @Flag(help: "Let whoever has the key send adapters (PUT /v1/adapters/NAME).")
  var acceptAdapters = false

  @Option(help: ArgumentHelp("MiB of an adapter that a client sends at most.", valueName: "mib"))
  var maxAdapter = 1024

  func validate() throws {
    if !(1...1 << 20).contains(maxAdapter) {
      throw ValidationError("--max-adapter: found \(maxAdapter), expected 1 to \(1 << 20).")
    }
    if !(0...65535).contains(port) {
      throw ValidationError("--port: found \(port), expected 0 to 65535.")
    }
    if apiKey != nil, apiKeyFile != nil {
      throw ValidationError("--api-key and --api-key-file: give one of them.")
    }
    for host in allowHost where !Gate.isHost(host) {
      throw ValidationError("--allow-host: found \(host), expected a name alone, as tina.example.org.")
    }
    for origin in allowOrigin where !Gate.isOrigin(origin) {
      throw ValidationError(
        "--allow-origin: found \(origin), expected a scheme and a host and no path, as https://chat.example.org."
      )
    }
  }

  /// The key that clients must show; nil for none.
  func key() throws -> String? {
    try ServerKey(given: apiKey, file: apiKeyFile).text
  }

  /// - Throws: `CommandError` when anyone on the network could use the server.
  func checkReach(hasKey: Bool) throws {
    if ListeningAddress.isLoopback(host) || hasKey || noApiKey { return }
    throw CommandError(
      "--host \(host): found no API key, and this address can be reached from other machines. Give"
        + " --api-key-file, or --no-api-key if that is meant.")
  }
}

/// How much work a server accepts.
struct ServeLimitOptions: ParsableArguments {
  @Option(help: "Completions that are decoded at once.")
  var maxRunning = 64

  @Option(help: "Requests that wait for room; the server refuses more with status 429.")
  var maxQueue = 128

  @Option(help: "Seconds that a request waits for room at most.")
  var maxWait = 120

  @Option(
    help: "Tokens of an answer at most, also where a request names no limit; as many as fit unless given.")
  var maxTokens: Int?

  @Option(help: "Completions of one request at most.")
  var maxSamples = 64

  @Option(help: ArgumentHelp("KiB of a request's body at most.", valueName: "kib"))
  var maxBody = 4096

  @Option(help: "Connections at most, where the system lets the server open so many.")
  var maxConnections = 1024

  @Option(help: "Seconds after which the server gives up a client that does not read its answer.")
  var sendTimeout = 30

  @Option(help: "Seconds that running requests get to finish after SIGTERM.")
  var grace = 60

  @Flag(help: "Write no line for each request to standard error.")
  var quiet = false

  func validate() throws {
    for (name, value) in [
      ("max-running", maxRunning), ("max-wait", maxWait), ("max-samples", maxSamples), ("max-body", maxBody),
      ("max-connections", maxConnections), ("send-timeout", sendTimeout), ("max-tokens", maxTokens ?? 1),
    ] where !(1...1_000_000).contains(value) {
      throw ValidationError("--\(name): found \(value), expected 1 to 1000000.")
    }
    for (name, value) in [("max-queue", maxQueue), ("grace", grace)] where !(0...1_000_000).contains(value) {
      throw ValidationError("--\(name): found \(value), expected 0 to 1000000.")
    }
  }

  func settings(_ network: ServeNetworkOptions, key: String?) throws -> Service.Settings {
    var settings = Service.Settings()
    settings.gate.apiKey = key
    settings.gate.allowedHosts = network.allowHost
    settings.gate.allowedOrigins = network.allowOrigin
    settings.limits.maxTokens = maxTokens
    settings.limits.maxSamples = maxSamples
    settings.maxRunning = maxRunning
    settings.maxQueue = maxQueue
    settings.patience = Double(maxWait)
    settings.adapterFolder = try network.adapterDir.map {
      try AdapterFolder(path: expandingTilde($0))
    }
    if network.acceptAdapters {
      guard key != nil else {
        throw CommandError(
          "--accept-adapters: found no API key, and anyone could send adapters. Give --api-key-file FILE.")
      }
      settings.uploads = try AdapterUploads(maxBytes: network.maxAdapter << 20)
    }
    if !quiet { settings.log = { Terminal.record($0) } }
    return settings
  }

  #if Server
    func serverSettings(_ network: ServeNetworkOptions) -> HTTPServer.Settings {
      var settings = HTTPServer.Settings()
      settings.host = network.host
      settings.port = network.port
      settings.maxBodyBytes = maxBody << 10
      settings.maxConnections = maxConnections
      settings.sendSeconds = Double(sendTimeout)
      settings.note = { Terminal.note($0) }
      return settings
    }
  #endif
}
