# Tries the completions of fish: complete.fish FILE, in a folder that holds Models/pico; as complete.bash does.
test -n "$argv[1]"; and source $argv[1]
set failures 0

function expect
    set found (complete -C $argv[1] | string replace -r '\t.*' '')
    for word in $argv[2..]
        if string match -q '!*' -- $word
            contains -- (string sub -s 2 -- $word) $found; and echo "fish: \"$argv[1]\" offers $word: $found"; and set -g failures 1
        else
            contains -- $word $found; or begin
                echo "fish: \"$argv[1]\" does not offer $word: $found"
                set -g failures 1
            end
        end
    end
end

expect 'tina ' run serve train convert '!logits'
expect 'tina se' serve
expect 'tina run --ada' --adapter
expect 'tina run --cache-type ' f32 f16 bf16
expect 'tina quantize --type Q4' Q4_0 Q4_K_M
expect 'tina convert --to ' tina peft gguf mlx
expect 'tina eval --benchmark ' pico aime24 math500
expect 'tina run --adapter Models/pi' Models/pico/
expect 'tina train reci' recipe.yaml
exit $failures
