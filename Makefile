# SPDX-License-Identifier: Apache-2.0
# The whole of Selkie in a few words; meson.build has the build itself.
#
#   make            build build/selkied and build/selkie
#   make deps       install every Debian package that building, running and testing needs
#   make demo       a first container through the API, on a private store (installs what it needs)
#   make check      everything that can go wrong, looked at (installs what it needs)
#   make bench      figures, beside those of podman and of the bare runtime
#   make fuzz       fuzz every parser; SECONDS_EACH=600 for longer
#   make format     clang-format every C file
#   make install    into $(DESTDIR)$(PREFIX)
#   make clean      remove build*/

BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
SECONDS_EACH ?= 60

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD) --quiet programs

$(BUILD)/build.ninja:
	@tools/install-deps --check build || { echo 'first run: make deps' >&2; exit 1; }
	@meson setup $(BUILD) --prefix=$(PREFIX) >$(BUILD).log || { tail -n 20 $(BUILD).log; exit 1; }
	@rm -f $(BUILD).log

deps:
	@tools/install-deps build run test

demo:
	@tools/install-deps build run
	@$(MAKE) --no-print-directory all
	@tools/demo

check:
	@tools/install-deps build run test
	@tools/check

bench:
	@tools/install-deps build run test
	@$(MAKE) --no-print-directory all
	@tools/bench

fuzz:
	@tools/install-deps build test
	@tools/fuzz --seconds $(SECONDS_EACH)

format:
	@git ls-files '*.c' '*.h' | xargs clang-format-14 -i

install: all
	@meson configure $(BUILD) -Dprefix=$(PREFIX)
	@DESTDIR='$(DESTDIR)' meson install -C $(BUILD)

clean:
	@rm -rf build build-*

.PHONY: all deps demo check bench fuzz format install clean
