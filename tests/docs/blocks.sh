# Sourced by what runs the commands of a page.
#   page_blocks PAGE FOLDER   its fenced blocks become files: NUMBER.kind holds the words after ```, NUMBER.text the block
page_blocks() {
  awk -v to="$2" '
    open && /^```[ \t]*$/ { close(file); open = 0; next }
    open { print > file; next }
    /^```./ { n++; file = sprintf("%s/%03d.text", to, n); kind = sprintf("%s/%03d.kind", to, n)
      print substr($0, 4) > kind; close(kind); printf "" > file; open = 1 }
    END { if (open) { print "a block is not closed"; exit 1 } }' "$1"
}
