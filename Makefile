# Everything a person types: `make run` for a library, `make demo` to look around, the rest for developers.

PYTHON ?= python3
# HOST and PORT win over BIBLIOTHEK_HOST and BIBLIOTHEK_PORT.
ADDRESS = $(if $(HOST),--host $(HOST)) $(if $(PORT),--port $(PORT))
# What `.env` says about the real library must not reach the demo: neither its database nor its address, and no mail goes out.
# What make itself is told, on its command line or by the environment, counts: where to listen, and where links lead.
DEMO_PORT = $(or $(PORT),$(BIBLIOTHEK_PORT),8000)
DEMO = BIBLIOTHEK_DATA=demo-data BIBLIOTHEK_DATABASE_URL= BIBLIOTHEK_SMTP_URL= \
	BIBLIOTHEK_HOST=$(or $(HOST),$(BIBLIOTHEK_HOST),127.0.0.1) BIBLIOTHEK_PORT=$(DEMO_PORT) \
	BIBLIOTHEK_BASE_URL=$(or $(BIBLIOTHEK_BASE_URL),http://localhost:$(DEMO_PORT)) \
	$(foreach name,DATA DATABASE_URL SMTP_URL HOST PORT BASE_URL,BIBLIOTHEK_$(name)_FILE=)
VENV := .venv
BIN := $(VENV)/bin
# Never fetch an interpreter; use the one that is here.
export UV_PYTHON_DOWNLOADS := never
export UV_PROJECT_ENVIRONMENT = $(VENV)
export PYTHONDONTWRITEBYTECODE :=

.PHONY: run demo setup install uninstall test check format bench torture mutation clean

run: $(VENV)/.can-run  ## set up, migrate, serve
	$(BIN)/bibliothek serve $(ADDRESS)

demo: $(VENV)/.can-run  ## the same, with a library full of books in demo-data/
	$(DEMO) $(BIN)/bibliothek demo --unless-there
	$(DEMO) $(BIN)/bibliothek serve $(ADDRESS)

setup: $(VENV)/.can-test  ## only set up: everything that running and testing need

install: VENV := /opt/bibliothek
install: BIN := /opt/bibliothek/bin
install:  ## as a service of this machine, or a newer version of it; then: systemctl restart bibliothek
	@test "$$(id -u)" = 0 || { echo "Gebraucht werden Systemrechte: sudo make install"; exit 1; }
	$(call install,--no-dev --no-editable --compile-bytecode --reinstall-package bibliothek,.)
	getent passwd bibliothek >/dev/null || \
		useradd --system --user-group --home-dir /var/lib/bibliothek --shell /usr/sbin/nologin bibliothek
	install -d -m 0750 -g bibliothek /etc/bibliothek
	test -e /etc/bibliothek/.env || install -m 0640 -g bibliothek deploy/bibliothek.env /etc/bibliothek/.env
	install -m 0755 deploy/bibliothek.sh /usr/local/bin/bibliothek
	install -m 0644 deploy/bibliothek.service /etc/systemd/system/bibliothek.service
	test ! -d /run/systemd/system || systemctl daemon-reload

uninstall:  ## the program and the service go, data and settings stay
	test ! -d /run/systemd/system || ! systemctl cat bibliothek >/dev/null 2>&1 || systemctl disable --now bibliothek
	rm -rf /opt/bibliothek /usr/local/bin/bibliothek /etc/systemd/system/bibliothek.service
	@echo "Daten und Einstellungen bleiben in /var/lib/bibliothek und /etc/bibliothek."

test: $(VENV)/.can-test  ## the whole suite; SKIP_BROWSER=1 or SKIP_POSTGRES=1 leave parts out
	$(BIN)/python scripts/system_parts.py
	$(BIN)/pytest -n auto --dist loadgroup --durations=40 --durations-min=4

check: $(VENV)/.can-test  ## format, lint, types, templates, translations, lock file
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/djlint templates --check --lint --quiet
	$(BIN)/hadolint Dockerfile
	$(BIN)/python scripts/translations.py check
	$(BIN)/python scripts/lock_hosts.py

format: $(VENV)/.can-test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	-$(BIN)/djlint templates --reformat --quiet

bench: $(VENV)/.can-test  ## every speed promise against its floor, in one run
	$(BIN)/python -m bench

torture: $(VENV)/.can-test  ## the long versions of races and fuzzing
	TORTURE=1 $(BIN)/pytest -n auto --dist loadgroup -m "torture or not browser"

mutation: $(VENV)/.can-mutate  ## make the rules of lending wrong in every small way: tests notice nine in ten, or it fails
	rm -rf mutants
	$(BIN)/mutmut run
	@$(BIN)/mutmut export-cicd-stats
	@$(BIN)/mutmut results
	@$(BIN)/python -c 'import json; found = json.load(open("mutants/mutmut-cicd-stats.json")); \
		noticed = found["killed"] + found["timeout"]; print(noticed, "of", found["total"], "mistakes are noticed"); \
		raise SystemExit(noticed < 0.9 * found["total"])'

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis mutants

# uv is quick and takes the lock file; where it cannot be had, pip does the same slowly.
define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Gebraucht wird Python 3.11 oder neuer; hier ist: $$($(PYTHON) --version 2>&1)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "Es fehlt das Paket für virtuelle Umgebungen: sudo apt-get install -y python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv && $(BIN)/uv sync --frozen --inexact $(1) --quiet || \
		{ $(BIN)/python -m pip install --quiet --upgrade "pip>=25.1" && $(BIN)/python -m pip install --quiet $(2); }
endef

$(VENV)/.can-run: pyproject.toml uv.lock
	$(call install,--no-dev,-e .)
	@touch $@

$(VENV)/.can-test: pyproject.toml uv.lock
	$(call install,,-e . --group dev)
	@touch $@ $(VENV)/.can-run

$(VENV)/.can-mutate: $(VENV)/.can-test
	$(call install,--group mutation,-e . --group dev --group mutation)
	@touch $@
