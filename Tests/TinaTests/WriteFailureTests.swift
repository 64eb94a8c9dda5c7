import Foundation
import TestSupport
import Testing

/// Results that can't be written are an error with a code of its own; messages that can't be written change nothing.
@Suite(.needsPico)
struct WriteFailureTests {
  /// One command for each way in which results reach standard output.
  private static let commands = [
    "grade 1 1", "grade --json 1 2", "inspect \(picoAdapter)", "inspect \(picoAdapter) --json",
    "diff \(picoAdapter) \(picoAdapter)", "verify \(picoAdapter)", "pull --help", "--version",
    #"tokenize \#(pico) - <<< '{"text": "1 + 1"}'"#,
    #"score \#(pico) - <<< '{"prompt": "1 + 1 =", "completion": " 2"}'"#,
    "run \(pico) --greedy --max-tokens 4 hello", "run \(pico) --greedy --max-tokens 4 --json hello",
    #"run \#(pico) --greedy --max-tokens 4 --jsonl - <<< '{"prompt": "hello"}'"#,
    "quantize \(pico) q.gguf --type Q8_0", "merge \(pico) \(picoAdapter) m --dtype f32",
    "convert \(picoAdapter) a.tina", "run --no-such-option", "no-such-command",
  ]

  @Test(arguments: commands.dropLast(2))
  func aFullStandardOutputIsAnErrorOfItsOwn(_ command: String) throws {
    let scratch = TemporaryFolder()
    let result = try Program.shell("\"$TINA\" " + command + " >/dev/full", in: scratch.path)
    #expect(result.status == 74, "\(result)")
    #expect(result.errors.contains("No space left") && result.errors.contains("standard output"), "\(result)")
    let closed = try Program.shell("\"$TINA\" " + command + " --help >&-", in: scratch.path)
    #expect(closed.status == 74 && closed.errors.contains("standard output"), "\(closed)")
  }

  @Test(arguments: commands)
  func standardErrorIsNotNeeded(_ command: String) throws {
    let scratch = TemporaryFolder()
    let plain = try Program.shell("\"$TINA\" " + command, in: scratch.path)
    for end in ["2>/dev/full", "2>&-", "2> >(true)"] {
      let other = TemporaryFolder()
      let result = try Program.shell("\"$TINA\" " + command + " " + end, in: other.path)
      #expect(result.status == plain.status, "\(end): \(result)")
      // Others tell times.
      if !command.hasPrefix("quantize"), !command.hasPrefix("merge"), !command.hasSuffix("--json hello") {
        #expect(result.output == plain.output, "\(end): \(result)")
      }
      #expect(other.names.filter { $0 != "m" } == scratch.names.filter { $0 != "m" })
    }
  }

  /// The next file that is opened must not get the number of a closed one, and messages with it.
  @Test func messagesNeverReachAFile() throws {
    let scratch = TemporaryFolder()
    let script =
      "\"$TINA\" convert \(picoAdapter) a.tina 2>&-; \"$TINA\" convert \(picoAdapter) b.tina; cmp a.tina b.tina"
    let result = try Program.shell(script, in: scratch.path)
    #expect(result.status == 0 && scratch.names == ["a.tina", "b.tina"], "\(result)")
  }

  @Test func aReaderThatHasEnoughEndsItQuietly() throws {
    let result = try Program.shell("{ sleep 0.1; \"$TINA\" grade 1 2; echo $? >&2; } | :")
    #expect(result.errors == "141\n", "\(result)")
  }

  /// A pipe that does not block and is full for a while: results wait.
  @Test func resultsWaitForTheirReader() throws {
    let script = """
      python3 -c '
      import fcntl, os, subprocess, sys, time
      r, w = os.pipe(); fcntl.fcntl(w, fcntl.F_SETFL, os.O_NONBLOCK)
      p = subprocess.Popen([os.environ["TINA"], "tokenize", sys.argv[1], "-"], stdin=subprocess.PIPE, stdout=w)
      os.close(w)
      p.stdin.write(b"{\\"text\\": \\"" + b"12 " * 20000 + b"\\"}\\n" * 1); p.stdin.close(); time.sleep(0.5)
      n = 0
      while (b := os.read(r, 1 << 16)): n += len(b)
      print(p.wait(), n > 100000)' \(pico)
      """
    let result = try Program.shell(script)
    #expect(result.output == "0 True\n", "\(result)")
  }

  @Test func reportsThatCannotBeWrittenHaveTheSameCode() throws {
    let scratch = TemporaryFolder()
    for command in [
      "convert \(picoAdapter) a.tina", "convert \(picoAdapter) a", "quantize \(pico) q.gguf --type F32",
      "merge \(pico) \(picoAdapter) m --dtype f32", "logits \(pico) --ids ids.json --out l.safetensors",
    ] {
      scratch.write("ids.json", #"{"tokens": [1, 2, 3]}"#)
      let result = try Program.shell("ulimit -f 1; \"$TINA\" " + command, in: scratch.path)
      #expect(result.status == 74 && result.errors.contains("File too large"), "\(command): \(result)")
      #expect(scratch.names == ["ids.json"], "\(command)")
    }
  }

  @Test func fileNamesAndContentsCannotSteerATerminal() throws {
    let scratch = TemporaryFolder()
    let escape = "\u{1B}]0;owned\u{7}"
    scratch.write("r.yaml", "\(escape): 1\nlearning_rate: \u{1B}[31m1\n")
    scratch.write("a\u{1B}[31m.tina", "no adapter")
    let scripts = [
      #""$TINA" grade --explain "$1" "$1""#, #""$TINA" train r.yaml --model \#(pico)"#,
      #""$TINA" inspect a*.tina"#, #""$TINA" run "$1/x/y" hello"#, #""$TINA" "$1""#, #""$TINA" run "--$1""#,
      #""$TINA" tokenize "$1" -"#, #""$TINA" verify "$1""#,
    ]
    for script in scripts {
      let line = "set -- $'\\e[31m7\\a'; " + script
      let result = try Program.shell(line, in: scratch.path)
      let text = result.output + result.errors
      #expect(
        !text.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" && $0 != "\t" }, "\(script): \(text)")
    }
  }
}
