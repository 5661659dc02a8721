import statistics, time, cProfile, pstats
from tests.web.conftest import Clinic, csrf
def test_speed(clinic: Clinic, ana) -> None:
    page = csrf(ana.get("/help"))
    def go():
        a=time.perf_counter(); r=ana.post("/sheets", data={"csrf_token": page,"sheet":"our_cycle","do":"print","locale":"en","beside":"","paper":"a4","size":"normal","ink":"full"}); d=r.get_data(); assert d.startswith(b"%PDF"), d[:300]; return 1000*(time.perf_counter()-a)
    print("first",go()); t=[go() for _ in range(31)]
    print("median",statistics.median(t),"min",min(t))
    p=cProfile.Profile(); p.enable(); [go() for _ in range(10)]; p.disable()
    pstats.Stats(p).sort_stats("cumtime").print_stats(45)
